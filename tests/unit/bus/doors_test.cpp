// Real sockets over loopback: who gets in, who is counted, and what revoking does.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <random>

#include "shared/base/ids.h"
#include "shared/bus/doorkeeper.h"

namespace answermill::bus {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kPatience{10'000};
constexpr milliseconds kTurn{10};

class Doors : public testing::Test {
 protected:
  Doors() : context_(Context::Reach::kNetwork), server_(std::in_place, context_, Pattern::kRouter) {
    auto keeper = Doorkeeper::start(context_, refusals_);
    EXPECT_TRUE(keeper);
    keeper_ = std::move(*keeper);
    keeper_->watch(*server_);
    list_.keys = {{"one", RoleSet(Role::kExtract), extract_.public_key, ""},
                  {"two", RoleSet(Role::kEmbed), embed_.public_key, ""}};
    keeper_->allow(list_);
    extract_door_ = open("extract");
    embed_door_ = open("embed");
  }
  ~Doors() override { server_.reset(); }

  // Any free port below the ephemeral range.
  std::string open(const std::string& domain) {
    std::random_device random;
    std::uniform_int_distribution<int> ports(10'000, 32'000);
    for (int tries = 0; tries < 100; ++tries) {
      std::string endpoint = "tcp://127.0.0.1:" + std::to_string(ports(random));
      if (server_->bind_secure(endpoint, broker_.secret_key, domain)) return endpoint;
    }
    ADD_FAILURE() << "no free port";
    return {};
  }

  bool until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      Poller poller;
      poller.add(*server_);
      poller.wait(kTurn);
      while (server_->receive(frames_, user_)) heard_.emplace_back(user_, frames_.back());
    }
    return true;
  }
  bool heard(const std::string& key, const std::string& text) const {
    return std::find(heard_.begin(), heard_.end(), std::pair(key, text)) != heard_.end();
  }
  std::unique_ptr<Socket> client(const std::string& endpoint, const KeyPair& own, const std::string& broker) {
    auto socket = std::make_unique<Socket>(context_, Pattern::kDealer);
    EXPECT_TRUE(socket->connect_secure(endpoint, {own, broker}));
    return socket;
  }

  KeyPair broker_ = new_key_pair();
  KeyPair extract_ = new_key_pair();
  KeyPair embed_ = new_key_pair();
  AllowList list_;
  Refusals refusals_;
  Context context_;
  std::unique_ptr<Doorkeeper> keeper_;
  std::optional<Socket> server_;
  std::string extract_door_;
  std::string embed_door_;
  std::vector<std::string> frames_;
  std::string user_;
  std::vector<std::pair<std::string, std::string>> heard_;
};

TEST_F(Doors, LetsAKeyInAtItsOwnDoorAndNamesItOnEveryMessage) {
  const auto one = client(extract_door_, extract_, broker_.public_key);
  const auto two = client(embed_door_, embed_, broker_.public_key);
  one->send({"from one"});
  two->send({"from two"});
  EXPECT_TRUE(until([&] { return heard_.size() == 2; }));
  EXPECT_TRUE(heard(extract_.public_key, "from one"));
  EXPECT_TRUE(heard(embed_.public_key, "from two"));
}

TEST_F(Doors, TheHostsOwnSocketsNeedNoKey) {
  const std::string endpoint = "ipc://" + testing::TempDir() + "doors-" + random_id();
  server_.emplace(context_, Pattern::kRouter);
  ASSERT_TRUE(server_->bind(endpoint));
  extract_door_ = open("extract");
  const auto one = client(extract_door_, extract_, broker_.public_key);
  one->send({"from elsewhere"});
  Socket local(context_, Pattern::kDealer);
  ASSERT_TRUE(local.connect(endpoint));
  local.send({"hello"});
  EXPECT_TRUE(until([&] { return heard("", "hello") && heard(extract_.public_key, "from elsewhere"); }));
}

TEST_F(Doors, RefusesStrangersAndWrongDoorsAndCountsThem) {
  const auto stranger = client(extract_door_, new_key_pair(), broker_.public_key);
  const auto wrong_door = client(embed_door_, extract_, broker_.public_key);
  const auto wrong_broker = client(extract_door_, extract_, new_key_pair().public_key);
  for (const auto* socket : {&stranger, &wrong_door, &wrong_broker}) (*socket)->send({"let me in"});
  EXPECT_TRUE(until([&] {
    return refusals_.count(Refusal::kUnknownKey) > 0 && refusals_.count(Refusal::kWrongRole) > 0 &&
           refusals_.count(Refusal::kHandshake) > 0;
  }));
  EXPECT_TRUE(heard_.empty());
}

TEST_F(Doors, ReopeningADoorDropsWhoeverMayNotComeBack) {
  const auto third = new_key_pair();
  list_.keys.push_back({"three", RoleSet(Role::kExtract), third.public_key, ""});
  keeper_->allow(list_);
  const auto one = client(extract_door_, extract_, broker_.public_key);
  const auto three = client(extract_door_, third, broker_.public_key);
  const auto two = client(embed_door_, embed_, broker_.public_key);
  for (const auto* socket : {&one, &two, &three}) (*socket)->send({"first"});
  ASSERT_TRUE(until([&] { return heard_.size() == 3; }));
  heard_.clear();

  list_.keys.erase(list_.keys.begin());
  keeper_->allow(list_);
  server_->unbind(extract_door_);
  ASSERT_TRUE(
      until([&] { return server_->bind_secure(extract_door_, broker_.secret_key, "extract").has_value(); }));
  two->send({"still here"});
  EXPECT_TRUE(until([&] { return heard(embed_.public_key, "still here"); }));
  EXPECT_TRUE(until([&] {
    three->send({"back"});
    one->send({"back"});
    return heard(third.public_key, "back");
  }));
  EXPECT_TRUE(until([&] { return refusals_.count(Refusal::kUnknownKey) > 0; }));
  EXPECT_FALSE(heard(extract_.public_key, "back"));
}

TEST_F(Doors, PlainTcpIsRefusedOnBothSides) {
  Socket socket(context_, Pattern::kDealer);
  EXPECT_EQ(socket.bind("tcp://127.0.0.1:7400").error().code, ErrorCode::kForbidden);
  EXPECT_EQ(socket.connect("tcp://127.0.0.1:7400").error().code, ErrorCode::kForbidden);
}

}  // namespace
}  // namespace answermill::bus
