#include "shared/bus/address.h"

#include <gtest/gtest.h>

#include <set>

#include "shared/bus/dialer.h"

namespace answermill::bus {
namespace {

TEST(NetworkAddress, AcceptsWhatCanBeListenedOn) {
  for (const char* text :
       {"tcp://0.0.0.0:7400", "tcp://*:7400", "tcp://[::1]:7400", "tcp://mill.example:1024"})
    EXPECT_TRUE(parse_network_address(text, 32768)) << text;
}

TEST(NetworkAddress, RefusesTheRest) {
  for (const char* text : {"", "tcp://", "tcp://:7400", "tcp://host", "ipc:///run/x", "tcp://host:",
                           "tcp://host:x", "tcp://host:7400x", "tcp://host:80", "tcp://::1:7400",
                           "udp://host:7400", "tcp://host:32760", "tcp://host:99999", "tcp://host:-1"})
    EXPECT_FALSE(parse_network_address(text, 32768)) << text;
}

TEST(NetworkAddress, EveryDoorHasAPortOfItsOwn) {
  const auto address = parse_network_address("tcp://host:7400", 32768);
  ASSERT_TRUE(address);
  std::set<std::string> endpoints;
  for (const Door& door : all_doors()) endpoints.insert(endpoint_of(*address, door.role, door.channel));
  EXPECT_EQ(endpoints.size(), all_doors().size());
  EXPECT_EQ(endpoint_of(*address, Role::kFrontend, Channel::kJobs), "tcp://host:7400");
  EXPECT_EQ(endpoint_of(*address, Role::kExtract, Channel::kWork), "tcp://host:7405");
  EXPECT_EQ(endpoint_of(*address, Role::kOperator, Channel::kQuery), "tcp://host:7417");
}

// What a key may not do has no door: no worker reaches the job intake, the events or the streams.
TEST(NetworkAddress, WorkersHaveNoDoorToJobsEventsOrStreams) {
  const auto address = parse_network_address("tcp://host:7400", 32768);
  for (const Role role : {Role::kExtract, Role::kEmbed, Role::kIndex, Role::kGenerate}) {
    for (const Channel channel : {Channel::kJobs, Channel::kEvents, Channel::kQuery})
      EXPECT_EQ(endpoint_of(*address, role, channel), "");
  }
}

TEST(Dialer, RefusesToLeaveTheHostWithoutAKey) {
  EXPECT_EQ(Dialer::local({{Channel::kWork, "tcp://10.0.0.1:7405"}}).error().code, ErrorCode::kForbidden);
  EXPECT_EQ(Dialer::local({{Channel::kWork, "tcp://127.0.0.1:7405"}}).error().code, ErrorCode::kForbidden);
  EXPECT_EQ(Dialer::local({{Channel::kWork, ""}}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(Dialer::local({{Channel::kWork, "ipc:///run/x/work"}}));
  EXPECT_EQ(Dialer::remote("tcp://10.0.0.1:7400", "", Role::kExtract).error().code, ErrorCode::kForbidden);
}

}  // namespace
}  // namespace answermill::bus
