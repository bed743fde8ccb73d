#include "workers/extract/parser_walls.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace answermill::extract {
namespace {

// Calls allowed whatever they are given. By number, so that one a machine does not have (-1 and below) is
// passed over.
constexpr std::array kAllowed{
    // the session, the document and files opened to read
    SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(recvfrom),
    SCMP_SYS(sendto), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(close), SCMP_SYS(lseek), SCMP_SYS(fstat),
    SCMP_SYS(newfstatat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statx), SCMP_SYS(statfs),
    SCMP_SYS(fstatfs), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink),
    SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(fadvise64), SCMP_SYS(getcwd),
    // memory
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
    SCMP_SYS(membarrier),
    // time, limits and itself
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(pause), SCMP_SYS(restart_syscall),
    SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(getrandom), SCMP_SYS(getrlimit),
    SCMP_SYS(getrusage), SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(getpid), SCMP_SYS(gettid),
    SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
    SCMP_SYS(rseq), SCMP_SYS(set_robust_list), SCMP_SYS(set_tid_address),
    // signals to itself; ends
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(exit), SCMP_SYS(exit_group)};

bool allow_if(scmp_filter_ctx filter, int call, const scmp_arg_cmp& condition) {
  return call < 0 || seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &condition) == 0;
}

bool allow_calls(scmp_filter_ctx filter) {
  for (const int call : kAllowed) {
    if (call >= 0 && seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) != 0) return false;
  }
  for (const scmp_datum_t command : {F_GETFD, F_GETFL}) {
    if (!allow_if(filter, SCMP_SYS(fcntl), {1, SCMP_CMP_EQ, command, 0})) return false;
  }
  // A file is opened to read and never made; memory that was written is never run; limits are read, not set.
  constexpr scmp_datum_t kChanges = O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
  return allow_if(filter, SCMP_SYS(open), {1, SCMP_CMP_MASKED_EQ, kChanges, 0}) &&
         allow_if(filter, SCMP_SYS(openat), {2, SCMP_CMP_MASKED_EQ, kChanges, 0}) &&
         allow_if(filter, SCMP_SYS(mmap), {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}) &&
         allow_if(filter, SCMP_SYS(mprotect), {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}) &&
         allow_if(filter, SCMP_SYS(prlimit64), {2, SCMP_CMP_EQ, 0, 0});
}

void* make_filter() {
  void* filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
  if (filter == nullptr) return nullptr;
  // A search instead of a list: dozens of comparisons fewer for each call.
  if (!allow_calls(filter) || seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) != 0) {
    seccomp_release(filter);
    return nullptr;
  }
  return filter;
}

// Fonts, encodings, locales and time zones, as poppler, fontconfig and the C library may look them up.
constexpr std::array kReadable{"/usr/share", "/usr/local/share/fonts", "/usr/lib/locale",
                               "/etc/fonts", "/var/cache/fontconfig",  "/etc/localtime"};

// The rights of landlock's first version: later ones guard calls the filter does not allow at all.
constexpr std::uint64_t kAllFileRights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1U) - 1;

UniqueFd make_rules() {
  landlock_ruleset_attr all{};
  all.handled_access_fs = kAllFileRights;
  UniqueFd rules(
      static_cast<int>(syscall(SYS_landlock_create_ruleset, &all, sizeof(all.handled_access_fs), 0)));
  if (!rules) return rules;
  for (const char* path : kReadable) {
    const UniqueFd folder(open(path, O_PATH | O_CLOEXEC));
    struct stat info {};
    if (!folder || fstat(folder.get(), &info) != 0) continue;  // not on this machine
    landlock_path_beneath_attr beneath{};
    beneath.parent_fd = folder.get();
    beneath.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE;
    if (S_ISDIR(info.st_mode)) beneath.allowed_access |= LANDLOCK_ACCESS_FS_READ_DIR;
    if (syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0) return {};
  }
  return rules;
}

}  // namespace

void ParserWalls::Release::operator()(void* filter) const { seccomp_release(filter); }

ParserWalls::ParserWalls() : filter_(make_filter()), files_(make_rules()) {}

bool ParserWalls::close_files() const {
  return !files_ || syscall(SYS_landlock_restrict_self, files_.get(), 0) == 0;
}

bool ParserWalls::close_calls() const {
  if (!filter_) return true;
  // abort() signals its own thread; no other process can be named.
  return allow_if(filter_.get(), SCMP_SYS(tgkill),
                  {0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(getpid()), 0}) &&
         seccomp_load(filter_.get()) == 0;
}

}  // namespace answermill::extract
