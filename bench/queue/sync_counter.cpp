#include "bench/queue/sync_counter.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>

namespace answermill::bench {
namespace {

constexpr std::size_t kNumber = offsetof(seccomp_data, nr);

// fsync and fdatasync are asked about, all else passes.
int install_filter() {
  std::array<sock_filter, 5> program = {{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, kNumber},
      {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, SYS_fsync},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_fdatasync},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  }};
  const sock_fprog filter{program.size(), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return static_cast<int>(
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter));
}

// A message with room for one descriptor.
struct Parcel {
  char byte = 0;
  iovec bytes{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr header{};

  Parcel() {
    header.msg_iov = &bytes;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
  }
};

void send_descriptor(int socket, int descriptor) {
  Parcel parcel;
  if (descriptor >= 0) {
    cmsghdr* control = CMSG_FIRSTHDR(&parcel.header);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(control), &descriptor, sizeof descriptor);
  } else {
    parcel.header.msg_controllen = 0;
  }
  (void)::sendmsg(socket, &parcel.header, MSG_NOSIGNAL);
}

int receive_descriptor(int socket) {
  Parcel parcel;
  if (::recvmsg(socket, &parcel.header, MSG_CMSG_CLOEXEC) <= 0) return -1;
  const cmsghdr* control = CMSG_FIRSTHDR(&parcel.header);
  if (control == nullptr || control->cmsg_type != SCM_RIGHTS) return -1;
  int descriptor = -1;
  std::memcpy(&descriptor, CMSG_DATA(control), sizeof descriptor);
  return descriptor;
}

}  // namespace

SyncCounter::SyncCounter() : stop_(::eventfd(0, EFD_CLOEXEC)) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) return;
  ours_ = UniqueFd(pair[0]);
  theirs_ = UniqueFd(pair[1]);
}

void SyncCounter::begin_in_child() {
  const int filter = install_filter();
  send_descriptor(theirs_.get(), filter);
  if (filter >= 0) ::close(filter);
}

void SyncCounter::begin_in_parent() {
  theirs_.reset();  // so that a child that dies early ends the wait
  filter_ = UniqueFd(receive_descriptor(ours_.get()));
  if (filter_) thread_ = std::thread([this] { answer(); });
}

SyncCounter::~SyncCounter() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

void SyncCounter::answer() {
  std::array<pollfd, 2> items = {{{filter_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
  while (::poll(items.data(), items.size(), -1) >= 0 && (items[1].revents & POLLIN) == 0) {
    if ((items[0].revents & POLLIN) == 0) {
      if ((items[0].revents & (POLLHUP | POLLERR)) != 0) return;  // nobody is left who could call
      continue;
    }
    seccomp_notif call{};
    if (::ioctl(filter_.get(), SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) continue;  // its caller died
    count_.fetch_add(1, std::memory_order_relaxed);
    seccomp_notif_resp answer{};
    answer.id = call.id;
    answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    (void)::ioctl(filter_.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
}

std::optional<std::uint64_t> SyncCounter::count() const {
  if (!filter_) return std::nullopt;
  return count_.load(std::memory_order_relaxed);
}

}  // namespace answermill::bench
