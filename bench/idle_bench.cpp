// Memory of an idle WebSocket connection: our edge beside Node's ws and nginx with nchan.
//
//   idle_bench [connections=10000 …]
//
// What a server process holds more (its proportional set size) once so many clients are connected and nothing
// has happened for some seconds, divided by their number. The kernel's own memory for sockets is the same for
// all and not counted. Clients come from several addresses, since one has ports for 28,000 only.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include "bench/load/clients.h"
#include "bench/load/ws_servers.h"

namespace {

using namespace answermill::bench;

constexpr std::size_t kPerAddress = 20'000;
// What a browser sends beside the handshake itself.
constexpr std::string_view kBrowserHeaders =
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 "
    "Safari/537.36\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9,de;q=0.8\r\n"
    "Cache-Control: no-cache\r\nPragma: no-cache\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n";

// Until it has stopped changing: buffers kept for a moment are let go by then.
double settled(pid_t pid) {
  double before = memory_bytes(pid);
  for (int i = 0; i < 10; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    const double now = memory_bytes(pid);
    if (i > 1 && std::abs(now - before) < 16 * 1024) return now;
    before = now;
  }
  return before;
}

// Bytes for each connection; negative without the server.
double measure(const Subject& subject, std::size_t connections) {
  const Server server = start(subject.serve, kAnyCore);
  if (server.port == 0) {
    stop(server);
    return -1;
  }
  std::vector<int> clients;
  const auto connect_one = [&](std::size_t number) {
    clients.push_back(connect_client(server.port, static_cast<unsigned>(1 + number / kPerAddress)));
    upgrade(clients.back(), server.port, subject.subscriber, kBrowserHeaders);
  };
  connect_one(0);  // what comes with the first connection is no cost of each
  const double empty = settled(server.pid);
  while (clients.size() <= connections) connect_one(clients.size());
  const double full = settled(server.pid);
  for (const int client : clients) close(client);
  stop(server);
  return (full - empty) / static_cast<double>(connections);
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t descriptors = raise_limits();
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::vector<std::size_t> sizes;
  for (int i = 1; i < argc; ++i) sizes.push_back(std::strtoul(argv[i], nullptr, 10));
  if (sizes.empty()) sizes = {10'000, 18'000, 50'000};
  for (const std::size_t connections : sizes) {
    if (connections + 100 > descriptors) {
      fmt::print("{} idle connections: not with {} descriptors\n", connections, descriptors);
      continue;
    }
    fmt::print("{} idle connections\n", connections);
    double ours = 0;
    for (const auto& subject : {edge_subject(), node_subject(), nchan_subject()}) {
      const double bytes = measure(subject, connections);
      if (bytes < 0) {
        fmt::print("  {:<10} not available (needs {})\n", subject.name, subject.needs);
        continue;
      }
      if (ours == 0) ours = bytes;
      fmt::print("  {:<10} {:6.2f} KB each ({:.2f} of ours)\n", subject.name, bytes / 1024, bytes / ours);
    }
  }
  return 0;
}
