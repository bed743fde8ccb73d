#include "workers/extract/pdf_session.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>

#include "shared/text/utf8.h"

namespace answermill::extract {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kCancelCheck{200};
constexpr milliseconds kDeathWait{2000};  // for the zygote to report a parser that is dead or was killed
constexpr std::size_t kErrorTail = 300;

// Waits for input; false at the timeout.
bool wait_readable(int fd, milliseconds timeout) {
  pollfd wait{fd, POLLIN, 0};
  const int n = poll(&wait, 1, static_cast<int>(std::max<std::int64_t>(timeout.count(), 0)));
  return n > 0 || (n < 0 && errno == EINTR);
}

// The last number the zygote wrote before it closed the pipe.
bool read_status(int fd, std::int32_t* value, milliseconds timeout) {
  if (!wait_readable(fd, timeout)) return false;
  return read(fd, value, sizeof(*value)) == static_cast<ssize_t>(sizeof(*value));
}

// What a process has used so far; zero when it is gone.
milliseconds processor_time_of(pid_t pid) {
  clockid_t clock{};
  timespec used{};
  if (pid == 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) return {};
  return milliseconds(used.tv_sec * 1000 + used.tv_nsec / 1'000'000);
}

// Printable, one line.
std::string one_line(std::string_view tail) {
  std::string text = text::repair_utf8(tail);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace

bool is_parser_death(ErrorCode code) {
  return code == ErrorCode::kCrashed || code == ErrorCode::kLimit || code == ErrorCode::kTimeout;
}

Result<std::unique_ptr<PdfSession>> PdfSession::open(Zygote& zygote, int document,
                                                     const SessionLimits& limits,
                                                     const Cancelled& cancelled) {
  auto handle = zygote.spawn(document);
  if (!handle) return handle.error();
  std::unique_ptr<PdfSession> session(new PdfSession(zygote, std::move(*handle), limits));
  session->doing_ = "opening the document";
  auto reply = session->read_reply(nullptr, Clock::now() + limits.wait, cancelled);
  if (!reply) return reply.error();
  switch (reply->kind) {
    case ReplyKind::kOpened:
      session->pages_ = reply->number;
      return session;
    case ReplyKind::kLocked:
      return Error{ErrorCode::kEncrypted,
                   "The PDF is protected with a password; remove the password and upload it again."};
    case ReplyKind::kUnreadable:
      return Error{ErrorCode::kDamaged, "The PDF is damaged: its structure cannot be read or repaired."};
    case ReplyKind::kText:
    case ReplyKind::kBadPage:
      break;
  }
  session->broken_ = true;
  return Error{ErrorCode::kCrashed, "The PDF parser broke its protocol while opening the document."};
}

Result<std::string> PdfSession::page(std::uint32_t number, const Cancelled& cancelled) {
  doing_ = fmt::format("page {}", number);
  ++served_;
  processor_before_ = processor_time_of(pid());
  const PageRequest request{number};
  if (send(handle_.session.get(), &request, sizeof(request), MSG_NOSIGNAL) < 0)
    return death(ErrorCode::kCrashed);
  std::string text;
  auto reply = read_reply(&text, Clock::now() + limits_.wait, cancelled);
  if (!reply) return reply.error();
  if (reply->number == number && reply->kind == ReplyKind::kText) return text;
  if (reply->number == number && reply->kind == ReplyKind::kBadPage) {
    return Error{ErrorCode::kDamaged, fmt::format("Page {} is damaged and cannot be read.", number)};
  }
  broken_ = true;
  return Error{ErrorCode::kCrashed, fmt::format("The PDF parser broke its protocol on {}.", doing_)};
}

bool PdfSession::reusable() const {
  if (broken_ || served_ >= limits_.pages) return false;
  // A parser that left says so by the end of file.
  pollfd wait{handle_.session.get(), POLLIN, 0};
  return poll(&wait, 1, 0) == 0;
}

pid_t PdfSession::pid() {
  if (pid_ == 0) {
    std::int32_t value = 0;
    if (read_status(handle_.status.get(), &value, kDeathWait)) pid_ = value;
  }
  return pid_;
}

Status PdfSession::read_exactly(void* to, std::size_t size, Deadline deadline, const Cancelled& cancelled) {
  auto* at = static_cast<char*>(to);
  while (size > 0) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return death(ErrorCode::kTimeout);
    if (!wait_readable(handle_.session.get(), std::min(left, kCancelCheck))) {
      drain_errors();
      if (processor_time_of(pid()) - processor_before_ >= limits_.page) return death(ErrorCode::kLimit);
      if (!cancelled || !cancelled()) continue;
      broken_ = true;
      zygote_.kill(handle_.id);
      return Error{ErrorCode::kCancelled, "The job was cancelled."};
    }
    const ssize_t n = recv(handle_.session.get(), at, size, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return death(ErrorCode::kCrashed);
    at += n;
    size -= static_cast<std::size_t>(n);
  }
  return {};
}

Result<ReplyHeader> PdfSession::read_reply(std::string* body, Deadline deadline, const Cancelled& cancelled) {
  ReplyHeader header;
  if (auto status = read_exactly(&header, sizeof(header), deadline, cancelled); !status)
    return status.error();
  if (header.length > kMaxReplyBytes || (header.length > 0 && body == nullptr)) {
    zygote_.kill(handle_.id);
    broken_ = true;
    return Error{ErrorCode::kCrashed, fmt::format("The PDF parser broke its protocol on {}.", doing_)};
  }
  if (header.length == 0) return header;
  body->resize(header.length);
  if (auto status = read_exactly(body->data(), body->size(), deadline, cancelled); !status)
    return status.error();
  drain_errors();
  return header;
}

void PdfSession::drain_errors() {
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t n = read(handle_.errors.get(), buffer.data(), buffer.size());
    if (n <= 0) break;
    errors_.append(buffer.data(), static_cast<std::size_t>(n));
    if (errors_.size() > kErrorTail) errors_.erase(0, errors_.size() - kErrorTail);
  }
}

// Learns from the zygote how the parser ended; one that is still there is killed first.
Error PdfSession::death(ErrorCode fallback) {
  broken_ = true;
  const bool stopped = fallback == ErrorCode::kTimeout || fallback == ErrorCode::kLimit;
  if (stopped) zygote_.kill(handle_.id);
  std::int32_t status = 0;
  const bool known = pid() != 0 && read_status(handle_.status.get(), &status, kDeathWait);
  if (!known) zygote_.kill(handle_.id);
  drain_errors();
  const std::string tail = one_line(errors_);
  const std::string said = tail.empty() ? "" : fmt::format(" It last said: {}", tail);
  if (stopped) {
    const bool worked = fallback == ErrorCode::kLimit;
    return {fallback, fmt::format("The PDF parser took longer than {} s{} on {} and was stopped.{}",
                                  (worked ? limits_.page : limits_.wait).count() / 1000.0,
                                  worked ? " of processor time" : "", doing_, said)};
  }
  if (!known) return {ErrorCode::kCrashed, fmt::format("The PDF parser went away on {}.{}", doing_, said)};
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) {
    return {ErrorCode::kLimit,
            fmt::format("The PDF parser used up its processor time on {}.{}", doing_, said)};
  }
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    return {ErrorCode::kCrashed, fmt::format("The PDF parser was killed by signal {} ({}) on {}.{}", number,
                                             strsignal(number), doing_, said)};
  }
  const int code = WEXITSTATUS(status);
  // poppler's own allocator says so and leaves with 1.
  if (code == kExitOutOfMemory || tail.find("Out of memory") != std::string::npos) {
    return {ErrorCode::kLimit, fmt::format("The PDF parser reached its memory limit on {}.{}", doing_, said)};
  }
  return {ErrorCode::kCrashed, fmt::format("The PDF parser left with code {} on {}.{}", code, doing_, said)};
}

std::unique_ptr<PdfSession> SessionPool::take(const std::string& blob) {
  const std::lock_guard lock(mutex_);
  idle_.remove_if([](const Idle& idle) { return !idle.session->reusable(); });
  for (auto it = idle_.begin(); it != idle_.end(); ++it) {
    if (it->blob != blob) continue;
    auto session = std::move(it->session);
    idle_.erase(it);
    return session;
  }
  return nullptr;
}

void SessionPool::give(const std::string& blob, std::unique_ptr<PdfSession> session) {
  if (!session || !session->reusable()) return;
  const std::lock_guard lock(mutex_);
  idle_.push_back({blob, std::move(session)});
  while (idle_.size() > most_) idle_.pop_front();
}

}  // namespace answermill::extract
