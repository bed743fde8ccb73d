#include "frontend/command/fleet/fleet_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace answermill::command {
namespace {

bool has_pair(const ChildSpec& child, const std::string& flag, const std::string& value) {
  for (std::size_t at = 0; at + 1 < child.command.size(); ++at) {
    if (child.command[at] == flag && child.command[at + 1] == value) return true;
  }
  return false;
}

FleetPlan example() {
  FleetPlan plan;
  plan.programs = "/opt/bin";
  plan.data = "/data";
  plan.runtime = "/run/x";
  plan.web_root = "/opt/web";
  plan.listen_fds = {5, 6};
  return plan;
}

TEST(FleetPlan, StartsTheBrokerFirstAndStopsItLast) {
  const auto fleet = plan_fleet(example());
  ASSERT_EQ(fleet.size(), 7U);
  EXPECT_EQ(fleet.front().name, "broker");
  for (std::size_t at = 1; at < fleet.size(); ++at) EXPECT_LT(fleet[at].stop_phase, fleet.front().stop_phase);
}

TEST(FleetPlan, WorkersPublishToTheBrokersSubscriber) {
  const auto fleet = plan_fleet(example());
  const auto extract = std::find_if(fleet.begin(), fleet.end(),
                                    [](const ChildSpec& child) { return child.name == "extract.2"; });
  ASSERT_NE(extract, fleet.end());
  EXPECT_EQ(extract->command.front(), "/opt/bin/answermill-extract");
  EXPECT_TRUE(has_pair(*extract, "--events-endpoint", "ipc:///run/x/worker-events"));
  EXPECT_TRUE(has_pair(*extract, "--work-endpoint", "ipc:///run/x/work"));
  EXPECT_TRUE(has_pair(*extract, "--data", "/data"));
}

TEST(FleetPlan, GrpcIsAClientOfAFrontend) {
  FleetPlan plan = example();
  plan.grpc_listen = "localhost:8001";
  plan.frontend_url = "http://127.0.0.1:8000";
  plan.token_file = "/data/access-token";
  const auto child = plan_fleet(plan).back();
  EXPECT_EQ(child.name, "grpc");
  EXPECT_TRUE(has_pair(child, "--listen", "localhost:8001"));
  EXPECT_TRUE(has_pair(child, "--frontend", "http://127.0.0.1:8000"));
  EXPECT_TRUE(has_pair(child, "--access-token-file", "/data/access-token"));
  EXPECT_TRUE(has_pair(child, "--data", "/data"));
  const auto trusts = [](const ChildSpec& spec) {
    return std::find(spec.command.begin(), spec.command.end(), "--trust-frontend") != spec.command.end();
  };
  EXPECT_FALSE(trusts(child));
  plan.frontend_url = "https://127.0.0.1:8443";
  EXPECT_TRUE(trusts(plan_fleet(plan).back()));
}

TEST(FleetPlan, FrontendsGetTheCertificateAndWhichSocketsItIsFor) {
  FleetPlan plan = example();
  plan.tls_listen_fds = {7};
  plan.tls_cert = "/etc/mill.pem";
  plan.tls_key = "/etc/mill.key";
  const ChildSpec frontend = plan_fleet(plan).back();
  EXPECT_EQ(frontend.inherited, (std::vector<int>{5, 6, 7}));
  EXPECT_TRUE(has_pair(frontend, "--tls-listen-fds", "7"));
  EXPECT_TRUE(has_pair(frontend, "--tls-cert", "/etc/mill.pem"));
  EXPECT_TRUE(has_pair(frontend, "--tls-key", "/etc/mill.key"));
  EXPECT_TRUE(frontend.reloads);
}

TEST(FleetPlan, FrontendsShareTheSockets) {
  FleetPlan plan = example();
  plan.workers.frontend = 2;
  plan.token_file = "/data/access-token";
  plan.config = "/etc/a.conf";
  plan.allowed_hosts = {"mill.example"};
  const auto fleet = plan_fleet(plan);
  for (const char* name : {"frontend.1", "frontend.2"}) {
    const auto child =
        std::find_if(fleet.begin(), fleet.end(), [name](const ChildSpec& c) { return c.name == name; });
    ASSERT_NE(child, fleet.end());
    EXPECT_EQ(child->inherited, (std::vector<int>{5, 6}));
    EXPECT_TRUE(has_pair(*child, "--listen-fds", "5,6"));
    EXPECT_TRUE(has_pair(*child, "--web-root", "/opt/web"));
    EXPECT_TRUE(has_pair(*child, "--access-token-file", "/data/access-token"));
    EXPECT_TRUE(has_pair(*child, "--events-endpoint", "ipc:///run/x/events"));
    EXPECT_TRUE(has_pair(*child, "--config", "/etc/a.conf"));
    EXPECT_TRUE(has_pair(*child, "--allowed-hosts", "mill.example"));
  }
}

}  // namespace
}  // namespace answermill::command
