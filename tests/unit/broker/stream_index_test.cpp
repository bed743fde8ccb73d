#include "broker/core/stream_index.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <unordered_map>

namespace answermill::broker {
namespace {

struct Value {
  std::string name;
  std::string_view id() const { return name; }
};

TEST(StreamIndex, FindsWhatTheMapFindsWhateverComesAndGoes) {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    std::unordered_map<std::string, Value> map;
    StreamIndex<Value> index;
    for (int step = 0; step < 5000; ++step) {
      const std::string id = "stream-" + std::to_string(random() % 400);
      const auto found = map.find(id);
      Value* indexed = index.find(id);
      ASSERT_EQ(indexed, found == map.end() ? nullptr : &found->second) << "seed " << seed;
      if (found == map.end()) {
        index.insert(map.emplace(id, Value{id}).first->second);
      } else if (random() % 3 != 0) {
        index.erase(found->second);
        map.erase(found);
      }
      ASSERT_EQ(index.size(), map.size()) << "seed " << seed;
    }
    for (auto& [id, value] : map) ASSERT_EQ(index.find(id), &value) << "seed " << seed;
  }
}

TEST(StreamIndex, ErasesOnlyWhatIsThere) {
  Value a{"a"};
  Value other{"a"};
  StreamIndex<Value> index;
  EXPECT_EQ(index.find("a"), nullptr);
  index.erase(a);
  index.insert(a);
  index.erase(other);
  EXPECT_EQ(index.find("a"), &a);
  index.erase(a);
  EXPECT_EQ(index.find("a"), nullptr);
}

}  // namespace
}  // namespace answermill::broker
