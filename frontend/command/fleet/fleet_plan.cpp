#include "frontend/command/fleet/fleet_plan.h"

#include <fmt/format.h>

namespace answermill::command {
namespace {

constexpr int kStopsFirst = 0;
constexpr int kStopsLast = 1;

class Words {
 public:
  explicit Words(std::string program) { words_.push_back(std::move(program)); }
  Words& flag(std::string name, std::string value) {
    words_.push_back("--" + std::move(name));
    words_.push_back(std::move(value));
    return *this;
  }
  Words& flag_unless_empty(std::string name, const std::string& value) {
    return value.empty() ? *this : flag(std::move(name), value);
  }
  Words& flag_if(bool wanted, std::string_view name) {
    if (wanted) words_.push_back(fmt::format("--{}", name));
    return *this;
  }
  std::vector<std::string> take() { return std::move(words_); }

 private:
  std::vector<std::string> words_;
};

std::string endpoint(const FleetPlan& plan, std::string_view name) {
  return fmt::format("ipc://{}/{}", plan.runtime, name);
}

void add_bus_flags(Words& words, const FleetPlan& plan) {
  for (const char* name : {"jobs", "work", "events", "worker-events", "query"}) {
    words.flag(fmt::format("{}-endpoint", name), endpoint(plan, name));
  }
}

ChildSpec broker(const FleetPlan& plan) {
  Words words(plan.programs + "/answermill-broker");
  words.flag("data", plan.data).flag_unless_empty("config", plan.config);
  add_bus_flags(words, plan);
  words.flag("blobs-endpoint", endpoint(plan, "blobs"));
  words.flag_unless_empty("bus-listen", plan.bus_listen);
  return {"broker", words.take(), {}, kStopsLast};
}

ChildSpec worker(const FleetPlan& plan, std::string_view stage, int number) {
  Words words(fmt::format("{}/answermill-{}", plan.programs, stage));
  words.flag("data", plan.data).flag_unless_empty("config", plan.config);
  words.flag("work-endpoint", endpoint(plan, "work"))
      .flag("events-endpoint", endpoint(plan, "worker-events"));
  return {fmt::format("{}.{}", stage, number), words.take(), {}, kStopsFirst};
}

ChildSpec frontend(const FleetPlan& plan, int number) {
  Words words(plan.programs + "/answermill-frontend");
  words.flag("data", plan.data).flag_unless_empty("config", plan.config);
  add_bus_flags(words, plan);
  words.flag_unless_empty("listen-fds", fmt::format("{}", fmt::join(plan.listen_fds, ",")))
      .flag_unless_empty("tls-listen-fds", fmt::format("{}", fmt::join(plan.tls_listen_fds, ",")))
      .flag_unless_empty("tls-cert", plan.tls_cert)
      .flag_unless_empty("tls-key", plan.tls_key);
  words.flag_unless_empty("web-root", plan.web_root).flag_unless_empty("access-token-file", plan.token_file);
  if (!plan.allowed_hosts.empty())
    words.flag("allowed-hosts", fmt::format("{}", fmt::join(plan.allowed_hosts, ",")));
  std::vector<int> inherited = plan.listen_fds;
  inherited.insert(inherited.end(), plan.tls_listen_fds.begin(), plan.tls_listen_fds.end());
  return {fmt::format("frontend.{}", number), words.take(), std::move(inherited), kStopsFirst, true};
}

ChildSpec grpc(const FleetPlan& plan) {
  Words words(plan.programs + "/answermill-grpc");
  words.flag_unless_empty("config", plan.config);
  words.flag("data", plan.data).flag("listen", plan.grpc_listen).flag("frontend", plan.frontend_url);
  // The sockets are ours, and no certificate is made out to the address that this host reaches them at.
  words.flag_if(plan.frontend_url.starts_with("https:"), "trust-frontend");
  words.flag_unless_empty("access-token-file", plan.token_file)
      .flag_unless_empty("tls-cert", plan.tls_cert)
      .flag_unless_empty("tls-key", plan.tls_key);
  return {"grpc", words.take(), {}, kStopsFirst};
}

}  // namespace

std::vector<ChildSpec> plan_fleet(const FleetPlan& plan) {
  std::vector<ChildSpec> fleet;
  fleet.push_back(broker(plan));
  const auto add = [&fleet, &plan](std::string_view stage, int count) {
    for (int number = 1; number <= count; ++number) fleet.push_back(worker(plan, stage, number));
  };
  add("index", plan.workers.index);
  add("embed", plan.workers.embed);
  add("extract", plan.workers.extract);
  add("generate", plan.workers.generate);
  for (int number = 1; number <= plan.workers.frontend; ++number) fleet.push_back(frontend(plan, number));
  if (!plan.grpc_listen.empty()) fleet.push_back(grpc(plan));
  return fleet;
}

}  // namespace answermill::command
