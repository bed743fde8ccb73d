#include <gtest/gtest.h>

#include <array>
#include <random>

#include "tests/unit/index/index_fixture.h"
#include "workers/index/inner_product.h"
#include "workers/index/word_index.h"

namespace answermill::index {
namespace {

// A few keys make the reader look at their documents, many at the terms' lists: both must say the same.
TEST(WordReader, CountsTheSameWhicheverWayItLooks) {
  constexpr std::int64_t kChunks = 2000;
  const TemporaryFolder folder;
  auto index = WordIndex::open(folder.path());
  ASSERT_TRUE(index);
  for (std::int64_t key = 1; key <= kChunks; ++key) {
    std::string text = "lantern";
    for (std::int64_t i = 0; i < key % 7; ++i) text += " harbour";
    if (key % 3 == 0) text += " meadow granite";
    ASSERT_TRUE(index->put({key, 1, "name", "", text, "en", "", ""}));
  }
  ASSERT_TRUE(index->remove(12));
  ASSERT_TRUE(index->commit(1));
  auto reader = WordReader::open(index->folder());
  ASSERT_TRUE(reader);
  const std::vector<std::string> languages{"en"};
  const auto words = words_of_question("Which harbour and meadow has a lantern or a zeppelin?", languages);
  ASSERT_GE(words.size(), 4U);
  const auto rarity = reader->rarity(words);
  ASSERT_TRUE(rarity);
  std::vector<std::int64_t> all;
  for (std::int64_t key = kChunks + 5; key > 0; key -= 2) all.push_back(key);
  all.push_back(12);
  const auto together = reader->match(words, *rarity, all);
  ASSERT_TRUE(together);
  std::size_t met = 0;
  for (std::size_t i = 0; i < all.size(); i += 13) {
    const auto alone = reader->match(words, *rarity, std::array{all[i]});
    ASSERT_TRUE(alone);
    EXPECT_EQ(together->at(i).key, all[i]);
    EXPECT_EQ(together->at(i).present, alone->front().present) << all[i];
    EXPECT_EQ(together->at(i).score, alone->front().score) << all[i];
    if (alone->front().score > 0) ++met;
  }
  EXPECT_GT(met, 50U);
  EXPECT_EQ(together->back().score, 0);  // removed
}

TEST(InnerProduct, IsThatOfTheDefinitionAtEveryLength) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> numbers(-1, 1);
  for (std::size_t count = 0; count < 100; ++count) {
    std::vector<float> a(count + 1);
    std::vector<float> b(count + 1);
    for (auto& value : a) value = numbers(random);
    for (auto& value : b) value = numbers(random);
    double expected = 0;
    for (std::size_t i = 0; i < count; ++i) expected += static_cast<double>(a[i + 1]) * b[i + 1];
    EXPECT_NEAR(inner_product(a.data() + 1, b.data() + 1, count), expected, 1e-4) << count;
  }
}

}  // namespace
}  // namespace answermill::index
