#include "workers/index/vector_index.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "tests/unit/index/index_fixture.h"

namespace answermill::index {
namespace {

std::vector<float> unit(float x, float y) {
  const float length = std::sqrt(x * x + y * y);
  return {x / length, y / length};
}

TEST(VectorIndex, FindsNearestOfTheSameModel) {
  VectorIndex index;
  index.add("a", 1, 10, unit(1, 0));
  index.add("a", 2, 10, unit(0, 1));
  index.add("b", 3, 10, unit(1, 0));
  const auto hits = index.search("a", unit(1, 0.1F), 5, nullptr);
  ASSERT_EQ(hits.size(), 2U);
  EXPECT_EQ(hits[0].key, 1);
  EXPECT_TRUE(index.search("c", unit(1, 0), 5, nullptr).empty());
  EXPECT_TRUE(index.search("a", std::vector<float>{1, 0, 0}, 5, nullptr).empty());
}

TEST(VectorIndex, FiltersByDocument) {
  VectorIndex index;
  for (int i = 0; i < 100; ++i) index.add("a", i, i % 10, unit(1, static_cast<float>(i)));
  const DocumentFilter filter{7};
  const auto hits = index.search("a", unit(1, 0), 50, &filter);
  ASSERT_EQ(hits.size(), 10U);
  for (const VectorHit& hit : hits) EXPECT_EQ(hit.key % 10, 7);
}

TEST(VectorIndex, RemovesAndReplaces) {
  VectorIndex index;
  for (int i = 0; i < 10; ++i) index.add("a", i, 1, unit(1, static_cast<float>(i)));
  index.remove(0);
  index.remove(0);
  index.remove(9);
  index.add("a", 5, 1, unit(1, 0));
  EXPECT_EQ(index.size(), 8U);
  const auto hits = index.search("a", unit(1, 0), 20, nullptr);
  ASSERT_EQ(hits.size(), 8U);
  EXPECT_EQ(hits[0].key, 5);
  EXPECT_NEAR(hits[0].cosine, 1, 1e-6);
}

TEST(VectorIndex, SnapshotComesBackWhole) {
  const TemporaryFolder folder;
  VectorIndex index;
  for (int i = 0; i < 100; ++i) index.add(i % 2 != 0 ? "a" : "b", i, i, unit(1, static_cast<float>(i)));
  index.remove(50);
  ASSERT_TRUE(index.save(folder.path() / "v", 42));
  VectorIndex again;
  const auto seq = again.load(folder.path() / "v");
  ASSERT_TRUE(seq);
  EXPECT_EQ(*seq, 42U);
  EXPECT_EQ(again.size(), 99U);
  again.remove(98);
  EXPECT_EQ(again.search("b", unit(0, 1), 1, nullptr).at(0).key, 96);
}

TEST(VectorIndex, RefusesEveryFlippedByteAndEveryCut) {
  const TemporaryFolder folder;
  VectorIndex index;
  for (int i = 0; i < 3; ++i) index.add("model", i, i, unit(1, static_cast<float>(i)));
  const auto path = folder.path() / "v";
  ASSERT_TRUE(index.save(path, 7));
  std::ifstream in(path, std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const auto load_fails = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    VectorIndex other;
    auto loaded = other.load(path);
    return !loaded && loaded.error().code == ErrorCode::kDamaged && other.size() == 0;
  };
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string bytes = whole;
    bytes[i] = static_cast<char>(bytes[i] ^ 0x40);
    ASSERT_TRUE(load_fails(bytes)) << "byte " << i;
    ASSERT_TRUE(load_fails(whole.substr(0, i))) << "cut at " << i;
  }
  ASSERT_TRUE(load_fails(whole + "x"));
  VectorIndex other;
  EXPECT_EQ(other.load(folder.path() / "absent").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace answermill::index
