// Preloaded into the fleet's processes by the chaos runner: makes a disk slow or full, moves the wall clock,
// and hangs the loop of a process whose other threads live on.
//
// What to do stands in the first bytes of the file that CHAOS_SHIM names, shared by all processes of a kind
// and changed by the runner while they run (see fleet.py, Shim). Without that file everything is as it was.
// Thread: any. Source: ld.so(8), LD_PRELOAD; signal safety as that of the functions it stands in for.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>

struct epoll_event;

namespace {

struct Orders {
  std::atomic<std::int64_t> clock_ms;   // added to the wall clock
  std::atomic<std::int64_t> sync_us;    // each fsync takes so much longer
  std::atomic<std::int64_t> hung_pid;   // this process's loop stands still
  std::atomic<std::int64_t> disk_full;  // writing to files of the data folder fails with ENOSPC
};

constexpr long kNsPerMs = 1'000'000;
constexpr long kNsPerS = 1'000'000'000;

Orders* orders = nullptr;
char data_folder[256];

__attribute__((constructor)) void attach() {
  const char* name = std::getenv("CHAOS_SHIM");
  const char* data = std::getenv("CHAOS_DATA");
  if (name == nullptr || data == nullptr || std::strlen(data) >= sizeof data_folder) return;
  const int file = ::open(name, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  void* place = ::mmap(nullptr, sizeof(Orders), PROT_READ, MAP_SHARED, file, 0);
  ::close(file);
  if (place == MAP_FAILED) return;
  std::strcpy(data_folder, data);
  orders = static_cast<Orders*>(place);
}

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

void sleep_us(std::int64_t us) {
  const timespec time{us / 1'000'000, us % 1'000'000 * 1000};
  ::nanosleep(&time, nullptr);
}

void hang() {
  while (orders != nullptr && orders->hung_pid == ::getpid()) sleep_us(5000);
}

void slow_sync() {
  if (orders != nullptr && orders->sync_us > 0) sleep_us(orders->sync_us);
}

bool no_space(int file) {
  if (orders == nullptr || orders->disk_full == 0) return false;
  char link[32];
  char path[512];
  char* digits = link + sizeof link;
  *--digits = '\0';
  do {
    *--digits = static_cast<char>('0' + file % 10);
  } while ((file /= 10) > 0);
  constexpr char kPrefix[] = "/proc/self/fd/";
  digits -= sizeof kPrefix - 1;
  std::memcpy(digits, kPrefix, sizeof kPrefix - 1);
  const auto length = ::readlink(digits, path, sizeof path);
  const auto prefix = std::strlen(data_folder);
  if (length < static_cast<ssize_t>(prefix) || std::memcmp(path, data_folder, prefix) != 0) return false;
  errno = ENOSPC;
  return true;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) {
  static auto* const next = real<int(clockid_t, timespec*)>("clock_gettime");
  const int result = next(clock, time);
  if (result == 0 && clock == CLOCK_REALTIME && orders != nullptr && orders->clock_ms != 0) {
    const std::int64_t ns = time->tv_nsec + orders->clock_ms % 1000 * kNsPerMs;
    time->tv_sec += orders->clock_ms / 1000 + (ns < 0 ? -1 : ns / kNsPerS);
    time->tv_nsec = ns < 0 ? ns + kNsPerS : ns % kNsPerS;
  }
  return result;
}

int gettimeofday(timeval* time, void*) {
  timespec now{};
  const int result = clock_gettime(CLOCK_REALTIME, &now);
  if (result == 0) *time = {now.tv_sec, now.tv_nsec / 1000};
  return result;
}

time_t time(time_t* place) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (place != nullptr) *place = now.tv_sec;
  return now.tv_sec;
}

int fsync(int file) {
  static auto* const next = real<int(int)>("fsync");
  slow_sync();
  return next(file);
}

int fdatasync(int file) {
  static auto* const next = real<int(int)>("fdatasync");
  slow_sync();
  return next(file);
}

ssize_t write(int file, const void* bytes, size_t size) {
  static auto* const next = real<ssize_t(int, const void*, size_t)>("write");
  return no_space(file) ? -1 : next(file, bytes, size);
}

ssize_t pwrite64(int file, const void* bytes, size_t size, off64_t offset) {
  static auto* const next = real<ssize_t(int, const void*, size_t, off64_t)>("pwrite64");
  return no_space(file) ? -1 : next(file, bytes, size, offset);
}

ssize_t pwrite(int file, const void* bytes, size_t size, off_t offset) {
  return pwrite64(file, bytes, size, offset);
}

// The workers' and the broker's loops wait here; libzmq's own threads do not.
int zmq_poll(void* items, int count, long timeout_ms) {
  static auto* const next = real<int(void*, int, long)>("zmq_poll");
  hang();
  return next(items, count, timeout_ms);
}

// The frontend's loop is its first thread.
int epoll_wait(int poll, epoll_event* events, int most, int timeout_ms) {
  static auto* const next = real<int(int, epoll_event*, int, int)>("epoll_wait");
  if (::syscall(SYS_gettid) == ::getpid()) hang();
  return next(poll, events, most, timeout_ms);
}

}  // extern "C"
