#include "workers/embed/hash_features.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "shared/base/sha256.h"

namespace answermill::embed {
namespace {

std::vector<float> vector_of(std::string_view text) {
  std::vector<float> out(kHashDimension);
  hash_features(text, out.data());
  return out;
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

double likeness(std::string_view a, std::string_view b) { return dot(vector_of(a), vector_of(b)); }

TEST(HashFeatures, AreOfUnitLengthForEveryText) {
  for (const char* text : {"", " ", "!?", "the", "a", "Grüße", "你好世界", "1,234.50", "\xEF\xBF\xBD", "👍"}) {
    EXPECT_NEAR(likeness(text, text), 1, 1e-5) << text;
  }
}

TEST(HashFeatures, BringRelatedTextsTogether) {
  EXPECT_GT(likeness("net sales of the company", "The company's net sale"), 0.5);
  EXPECT_GT(likeness("Abschreibungen", "Abschreibung"), 0.4);
  EXPECT_GT(likeness("北京的人口", "人口最多的城市是北京"), 0.3);
  EXPECT_LT(std::abs(likeness("net sales of the company", "zebras eat grass")), 0.15);
  EXPECT_GT(likeness("CAFÉ Zürich", "cafe zurich"), 0.99);
}

TEST(HashFeatures, WeighCommonWordsLittle) {
  EXPECT_GT(likeness("what is the depreciation", "depreciation"), 0.9);
  EXPECT_LT(likeness("the of and to in", "the of and to in depreciation"), 0.5);
}

// Vectors of one model must be the same on every machine and in every version that keeps the model's name.
TEST(HashFeatures, HaveTheGoldenBits) {
  const auto v = vector_of("The pump's pressure rose to 4.5 bar; 圧力 上昇. Größe!");
  std::string bytes(v.size() * 4, '\0');
  std::memcpy(bytes.data(), v.data(), bytes.size());
  EXPECT_EQ(sha256_hex(bytes), "a56ff1a4e4dd60e5fce1b2420e2ef186d219a8837ca933c1822ae3382d844318");
}

}  // namespace
}  // namespace answermill::embed
