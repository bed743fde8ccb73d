#include "frontend/command/fleet/join.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "frontend/command/exit_codes.h"
#include "frontend/command/fleet/folders.h"
#include "frontend/command/fleet/guard.h"
#include "frontend/command/fleet/preflight.h"
#include "frontend/command/fleet/supervisor.h"
#include "shared/bus/address.h"
#include "shared/bus/keys.h"
#include "shared/config/config.h"

namespace answermill::command {
namespace {

namespace fs = std::filesystem;

struct JoinOptions {
  std::string bus;
  std::string data = "answermill-worker";
  std::vector<std::string> keys;
  std::string workers = "extract=1";
  std::string config;
};

int complain(const Error& error) {
  fmt::print(stderr, "answermill join: {}\n", error.message);
  return error.code == ErrorCode::kInvalidArgument ? kExitUsage : kExitFailed;
}

Result<WorkerCounts> joining_workers(const std::string& text) {
  const auto counts = parse_worker_counts(text, {0, 0, 0, 0, 0});
  if (!counts) return Error{ErrorCode::kInvalidArgument, "--workers: " + counts.error().message};
  if (counts->index > 0 || counts->frontend > 0) {
    return Error{ErrorCode::kInvalidArgument,
                 "--workers: index workers and frontends run where the data folder is; extract, embed and "
                 "generate can join from here"};
  }
  if (*counts == WorkerCounts{0, 0, 0, 0, 0})
    return Error{ErrorCode::kInvalidArgument, "--workers: name at least one stage, as in extract=2"};
  return *counts;
}

struct Stand {
  DataFolder data;
  JoinPlan plan;
};

Result<Stand> prepare(const JoinOptions& options) {
  Stand stand;
  // The ports are the broker's host's: only that the block fits can be said here.
  if (const auto address = bus::parse_network_address(options.bus, UINT16_MAX); !address)
    return address.error();
  const auto workers = joining_workers(options.workers);
  if (!workers) return workers.error();
  auto keys = assign_keys(options.keys, *workers);
  if (!keys) return keys.error();
  const auto programs = own_folder();
  if (!programs) return programs.error();
  auto data = take_data_folder(options.data);
  if (!data) return data.error();
  stand.data = std::move(*data);
  const std::string config = options.config.empty() ? "" : fs::absolute(options.config).string();
  stand.plan = {*programs, options.bus, stand.data.path, config, *workers, std::move(*keys)};
  return stand;
}

int run_join(const JoinOptions& options) {
  block_supervisor_signals();
  const auto stand = prepare(options);
  if (!stand) return complain(stand.error());
  const auto runtime = make_runtime_folder();
  if (!runtime) return complain(runtime.error());
  auto guard = Guard::start(*runtime, stand->data.lock.get());
  if (!guard) {
    fs::remove_all(*runtime);
    return complain(guard.error());
  }
  auto fleet = plan_join(stand->plan);
  if (const Status settings = check_settings(fleet); !settings) return complain(settings.error());
  Supervisor supervisor(std::move(fleet), FleetTimes{}, *guard, STDERR_FILENO, ::isatty(STDERR_FILENO) == 1);
  supervisor.say(fmt::format("joining {} with {}", options.bus, options.workers));
  const int exit_code = supervisor.run();
  guard->finish();
  return exit_code;
}

}  // namespace

std::vector<ChildSpec> plan_join(const JoinPlan& plan) {
  std::vector<ChildSpec> fleet;
  const auto add = [&](const char* stage, int count) {
    for (int number = 1; number <= count; ++number) {
      ChildSpec child{fmt::format("{}.{}", stage, number), {}, {}, 0};
      child.command = {fmt::format("{}/answermill-{}", plan.programs, stage),
                       "--bus",
                       plan.bus,
                       "--bus-key",
                       plan.keys.at(stage),
                       "--data",
                       plan.data};
      if (child.name.starts_with("extract")) {
        child.command.emplace_back("--blob-cache");
        child.command.push_back(plan.data + "/documents");
      }
      if (!plan.config.empty()) {
        child.command.emplace_back("--config");
        child.command.push_back(plan.config);
      }
      fleet.push_back(std::move(child));
    }
  };
  add("extract", plan.workers.extract);
  add("embed", plan.workers.embed);
  add("generate", plan.workers.generate);
  return fleet;
}

Result<std::map<std::string, std::string>> assign_keys(const std::vector<std::string>& files,
                                                       const WorkerCounts& workers) {
  if (files.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "--key FILE is needed; on the broker's host: answermill keys new NAME --role extract"};
  }
  std::map<std::string, std::string> keys;
  const std::map<std::string, int> wanted = {
      {"extract", workers.extract}, {"embed", workers.embed}, {"generate", workers.generate}};
  for (const auto& file : files) {
    const auto key = bus::read_key_file(file);
    if (!key) return key.error();
    for (const auto& [stage, count] : wanted) {
      if (count > 0 && key->roles.has(*bus::role_from(stage)))
        keys.try_emplace(stage, fs::absolute(file).string());
    }
  }
  for (const auto& [stage, count] : wanted) {
    if (count > 0 && keys.count(stage) == 0)
      return Error{ErrorCode::kForbidden, fmt::format("no --key is for {} workers", stage)};
  }
  return keys;
}

int join_main(int argc, const char* const* argv) {
  JoinOptions options;
  config::Table table("answermill join", "run workers here for a broker on another host");
  table
      .list("key", &options.keys, {"ANSWERMILL_BUS_KEY"}, "FILE",
            "key to come in with, made by `answermill keys new` on the broker's host; may be repeated")
      .text("workers", &options.workers, {}, "LIST", "processes of each stage: extract, embed, generate")
      .text("data", &options.data, {}, "DIR", "folder for what these workers keep; not the broker's")
      .usage("tcp://HOST:PORT --key FILE [flags]",
             "The settings file and the environment work as for `answermill up`.\n");
  const auto loaded = table.load(argc, argv);
  if (!loaded) return complain(loaded.error());
  if (loaded->exit_now) return kExitOk;
  if (loaded->positional.size() != 1)
    return complain({ErrorCode::kInvalidArgument, "say where the broker is, as in tcp://HOST:7400"});
  options.bus = loaded->positional.front();
  options.config = loaded->config_path;
  return run_join(options);
}

}  // namespace answermill::command
