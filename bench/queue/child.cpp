#include "bench/queue/child.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "bench/queue/peer.h"

namespace answermill::bench {
namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

constexpr std::size_t kReadBytes = 1U << 18U;

}  // namespace

std::string find_program(const std::string& name) {
  std::error_code ignored;
  std::vector<std::string> folders;
  if (const char* own = std::getenv("ANSWERMILL_BIN")) folders.emplace_back(own);
  folders.push_back(std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path());
  for (const char* folder : {"/usr/lib/rabbitmq/bin", "/usr/local/bin", "/usr/bin", "/usr/sbin"})
    folders.emplace_back(folder);
  for (const auto& folder : folders) {
    if (::access((folder + "/" + name).c_str(), X_OK) == 0) return folder + "/" + name;
  }
  return {};
}

int free_port() {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw PeerError("no free port");
  }
  return ntohs(address.sin_port);
}

Child::Child(std::vector<std::string> command, const std::string& folder,
             const std::vector<std::string>& environment) {
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw PeerError("cannot fork");
  if (pid_ > 0) {
    syncs_.begin_in_parent();
    return;
  }
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // it died before the line above
  const int log = ::open((folder + "/log").c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  ::dup2(log, 1);
  ::dup2(log, 2);
  for (const auto& setting : environment) {
    const auto equals = setting.find('=');
    ::setenv(setting.substr(0, equals).c_str(), setting.substr(equals + 1).c_str(), 1);
  }
  std::vector<char*> words;
  for (auto& word : command) words.push_back(word.data());
  words.push_back(nullptr);
  syncs_.begin_in_child();
  ::execv(words[0], words.data());
  ::_exit(127);
}

bool Child::alive() const {
  if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
  return pid_ > 0;
}

// Source: proc_pid_stat(5): the process group is field 5, times are fields 14 and 15, behind a name that may
// hold anything up to the last parenthesis.
std::chrono::microseconds Child::cpu() const {
  std::int64_t ticks = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "stat");
    std::string line;
    if (!std::getline(file, line)) continue;
    std::istringstream fields(line.substr(line.rfind(')') + 1));
    std::string skipped;
    pid_t group = 0;
    std::int64_t user = 0;
    std::int64_t system = 0;
    fields >> skipped >> skipped >> group;
    for (int i = 6; i <= 13; ++i) fields >> skipped;
    fields >> user >> system;
    if (group == pid_) ticks += user + system;
  }
  return std::chrono::microseconds(ticks * 1'000'000 / ::sysconf(_SC_CLK_TCK));
}

Child::~Child() {
  if (!alive()) return;
  ::kill(-pid_, SIGTERM);
  for (int i = 0; i < 1000 && alive(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  if (!alive()) return;
  ::kill(-pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

Connection::Connection(int port, const Child& server) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const sockaddr_in address = loopback(port);
  while (true) {
    socket_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) break;
    if (!server.alive()) throw PeerError("the server ended; see its log");
    if (std::chrono::steady_clock::now() > give_up) throw PeerError("the server does not listen");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  const int on = 1;
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void Connection::flush() {
  std::size_t sent = 0;
  while (sent < out_.size()) {
    const auto wrote = ::send(socket_.get(), out_.data() + sent, out_.size() - sent, MSG_NOSIGNAL);
    if (wrote <= 0) throw PeerError("the server closed the connection");
    sent += static_cast<std::size_t>(wrote);
  }
  out_.clear();
}

bool Connection::wait(int wait_ms) {
  if (has_buffered()) return true;
  pollfd item{socket_.get(), POLLIN, 0};
  return ::poll(&item, 1, wait_ms) > 0;
}

void Connection::fill() {
  in_.erase(0, at_);
  at_ = 0;
  const std::size_t before = in_.size();
  in_.resize(before + kReadBytes);
  const auto got = ::recv(socket_.get(), in_.data() + before, kReadBytes, 0);
  if (got <= 0) throw PeerError("the server closed the connection");
  in_.resize(before + static_cast<std::size_t>(got));
}

std::string_view Connection::line() {
  while (true) {
    const auto end = in_.find("\r\n", at_);
    if (end != std::string::npos) {
      const auto line = std::string_view(in_).substr(at_, end - at_);
      at_ = end + 2;
      return line;
    }
    fill();
  }
}

std::string_view Connection::exactly(std::size_t size) {
  while (in_.size() - at_ < size) fill();
  const auto bytes = std::string_view(in_).substr(at_, size);
  at_ += size;
  return bytes;
}

}  // namespace answermill::bench
