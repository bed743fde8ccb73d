#include "frontend/command/fleet/up.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <tuple>

#include "frontend/command/exit_codes.h"
#include "frontend/command/fleet/fleet_plan.h"
#include "frontend/command/fleet/folders.h"
#include "frontend/command/fleet/guard.h"
#include "frontend/command/fleet/listeners.h"
#include "frontend/command/fleet/preflight.h"
#include "frontend/command/fleet/readiness.h"
#include "frontend/command/fleet/supervisor.h"
#include "frontend/command/fleet/worker_counts.h"
#include "shared/config/config.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace answermill::command {
namespace {

namespace fs = std::filesystem;

int complain(const Error& error) {
  fmt::print(stderr, "answermill up: {}\n", error.message);
  return error.code == ErrorCode::kInvalidArgument ? kExitUsage : kExitFailed;
}

// Everything that is held from before the first child until after the last.
struct Stand {
  WorkerCounts workers;
  DataFolder data;
  std::vector<Listener> listeners;
  bool all_loopback = true;
  std::string token;
  FleetPlan plan;
};

// The page is beside the programs: in the build tree, or as installed.
std::string find_web_root(const fs::path& programs) {
  for (const char* place : {"../web", "../share/answermill/web"}) {
    std::error_code problem;
    const fs::path root = fs::canonical(programs / place, problem);
    if (!problem && fs::exists(root / "index.html", problem)) return root.string();
  }
  return {};
}

Status open_listeners(const UpOptions& options, Stand& stand) {
  if (options.listen.empty())
    return Error{ErrorCode::kInvalidArgument, "--listen: give at least one HOST:PORT"};
  for (const std::string& listen : options.listen) {
    Result<Listener> listener = open_listener(listen);
    if (!listener) return listener.error();
    auto& fds = listener->tls ? stand.plan.tls_listen_fds : stand.plan.listen_fds;
    for (const UniqueFd& socket : listener->sockets) fds.push_back(socket.get());
    const Result<Address> address = parse_address(listen);
    stand.all_loopback = stand.all_loopback && listener->loopback;
    if (!listener->loopback && address && !address->host.empty()) {
      stand.plan.allowed_hosts.push_back(address->host);
    }
    stand.listeners.push_back(std::move(*listener));
  }
  return {};
}

// The gRPC process binds for itself: this only says at once what it would say again and again.
Status check_grpc(const UpOptions& options, Stand& stand) {
  if (options.grpc_listen.empty()) return {};
  const Result<Listener> listener = open_listener(options.grpc_listen);
  if (!listener) return Error{listener.error().code, "--grpc: " + listener.error().message};
  stand.plan.grpc_listen = options.grpc_listen;
  const auto plain =
      std::find_if(stand.listeners.begin(), stand.listeners.end(), [](const auto& one) { return !one.tls; });
  const Listener& asked = plain == stand.listeners.end() ? stand.listeners.front() : *plain;
  stand.plan.frontend_url = asked.probe_url;
  stand.all_loopback = stand.all_loopback && listener->loopback;
  return {};
}

// What the frontends would say later, and again after every restart.
Status take_certificate(const UpOptions& options, Stand& stand) {
  const bool given = !options.tls_cert.empty() || !options.tls_key.empty();
  if (stand.plan.tls_listen_fds.empty()) {
    if (!given) return {};
    if (stand.plan.grpc_listen.empty())
      return Error{ErrorCode::kInvalidArgument,
                   "a certificate is given, but nothing listens on it: --listen https://HOST:PORT"};
  }
  for (const auto& [flag, path, target] : {std::tuple("--tls-cert", &options.tls_cert, &stand.plan.tls_cert),
                                           std::tuple("--tls-key", &options.tls_key, &stand.plan.tls_key)}) {
    if (path->empty()) return Error{ErrorCode::kInvalidArgument, fmt::format("https:// needs {} FILE", flag)};
    *target = fs::absolute(*path).string();
    if (::access(target->c_str(), R_OK) != 0)
      return Error{ErrorCode::kInvalidArgument, fmt::format("{} {} cannot be read", flag, *path)};
  }
  return {};
}

Result<Stand> prepare(const UpOptions& options) {
  Stand stand;
  const Result<WorkerCounts> workers = parse_worker_counts(options.workers);
  if (!workers) return Error{ErrorCode::kInvalidArgument, "--workers: " + workers.error().message};
  stand.plan.workers = *workers;
  const Result<std::string> programs = own_folder();
  if (!programs) return programs.error();
  stand.plan.programs = *programs;
  stand.plan.web_root = find_web_root(*programs);
  stand.plan.bus_listen = options.bus_listen;
  if (!options.config.empty()) stand.plan.config = fs::absolute(options.config).string();

  Result<DataFolder> data = take_data_folder(options.data);
  if (!data) return data.error();
  stand.data = std::move(*data);
  stand.plan.data = stand.data.path;
  const Status listening = open_listeners(options, stand);
  if (!listening) return listening.error();
  const Status grpc = check_grpc(options, stand);
  if (!grpc) return grpc.error();
  const Status certificate = take_certificate(options, stand);
  if (!certificate) return certificate.error();
  const char* given_token = std::getenv("ANSWERMILL_ACCESS_TOKEN");
  if (!stand.all_loopback && given_token != nullptr && *given_token != '\0') {
    stand.token = given_token;  // the frontends read the same variable
  } else if (!stand.all_loopback) {
    const Result<std::string> token = access_token(stand.data.path);
    if (!token) return token.error();
    stand.token = *token;
    stand.plan.token_file = stand.data.path + "/access-token";
  }
  return stand;
}

// Best effort: a browser that cannot be opened is no failure of the fleet.
void open_browser(const std::string& url) {
  std::string program = "xdg-open";
  std::string address = url;
  char* arguments[] = {program.data(), address.data(), nullptr};
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  (void)posix_spawnp(&pid, program.c_str(), &quiet, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&quiet);
}

void announce(const Stand& stand, bool open) {
  for (const Listener& listener : stand.listeners) {
    fmt::print("ready {}\n", public_url(listener, stand.token));
  }
  std::fflush(stdout);
  if (open) open_browser(public_url(stand.listeners.front(), stand.token));
}

}  // namespace

int run_up(const UpOptions& options) {
  block_supervisor_signals();
  Result<Stand> stand = prepare(options);
  if (!stand) return complain(stand.error());
  const Result<std::string> runtime = make_runtime_folder();
  if (!runtime) return complain(runtime.error());
  stand->plan.runtime = *runtime;
  Result<Guard> guard = Guard::start(*runtime, stand->data.lock.get());
  if (!guard) {
    fs::remove_all(*runtime);
    return complain(guard.error());
  }
  std::vector<ChildSpec> fleet = plan_fleet(stand->plan);
  const Status settings = check_settings(fleet);
  if (!settings) return complain(settings.error());

  Supervisor supervisor(std::move(fleet), FleetTimes{}, *guard, STDERR_FILENO, ::isatty(STDERR_FILENO) == 1);
  if (stand->plan.web_root.empty())
    supervisor.say("there is no page beside the programs: only the API is served");
  std::optional<Readiness> readiness;
  readiness.emplace(
      supervisor.mailbox(), stand->listeners.front().probe_url, ReadinessTimes{},
      [&] {
        readiness.reset();
        if (!supervisor.stopping()) announce(*stand, options.open);
      },
      [&](const std::string& missing) { supervisor.say("not ready yet, waiting for: " + missing); });
  const int exit_code = supervisor.run();
  readiness.reset();
  guard->finish();
  return exit_code;
}

int up_main(int argc, const char* const* argv) {
  UpOptions options;
  options.workers = to_string(WorkerCounts{});
  config::Table table("answermill up", "run the whole fleet in the foreground");
  table
      .text("data", &options.data, {"ANSWERMILL_DATA_DIR"}, "DIR",
            "where documents, answers and indexes are kept")
      .list("listen", &options.listen, {"ANSWERMILL_LISTEN"}, "[https://]HOST:PORT",
            "where to serve; may be repeated; port 0 picks one; beyond loopback a token is required")
      .text("tls-cert", &options.tls_cert, {"ANSWERMILL_TLS_CERT"}, "FILE",
            "certificate for https, PEM with its chain; read again on SIGHUP")
      .text("tls-key", &options.tls_key, {"ANSWERMILL_TLS_KEY"}, "FILE", "its key, closed to other users")
      .text("workers", &options.workers, {"ANSWERMILL_WORKERS"}, "LIST", "processes of each stage")
      .text("bus-listen", &options.bus_listen, {"ANSWERMILL_BUS_LISTEN"}, "tcp://HOST:PORT",
            "also let workers of other hosts join, encrypted; see answermill keys and answermill join")
      .text("grpc", &options.grpc_listen, {"ANSWERMILL_GRPC_LISTEN"}, "HOST:PORT",
            "also speak gRPC there, as in localhost:8001; beyond loopback a token is required")
      .flag("open", &options.open, {}, "open the page in a browser when it is ready")
      .usage("[flags]",
             "The settings file has a section for each program, [up] [broker] [frontend] [extract] [embed] "
             "[index]\n"
             "[generate] [grpc], with the keys its --help shows; keys before the first section are for all.\n"
             "Children get the environment as it is. Exit codes: 0 stopped, 1 failed (port or data folder in "
             "use),\n"
             "2 usage or settings, 130 killed by a second Ctrl-C.\n");
  const Result<config::Table::Loaded> loaded = table.load(argc, argv);
  if (!loaded) return complain(loaded.error());
  if (loaded->exit_now) return kExitOk;
  if (!loaded->positional.empty()) {
    return complain({ErrorCode::kInvalidArgument,
                     fmt::format("what is '{}'? See answermill up --help", loaded->positional.front())});
  }
  options.config = loaded->config_path;
  return run_up(options);
}

}  // namespace answermill::command
