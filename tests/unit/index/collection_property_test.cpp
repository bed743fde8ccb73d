// Random upserts, deletes, drops and reopenings against a plain model of what must be findable.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "tests/unit/index/index_fixture.h"
#include "workers/index/collection.h"

namespace answermill::index {
namespace {

class Model {
 public:
  void upsert(const messages::IndexUpsert& payload) {
    const std::string& id = payload.document.id;
    const std::uint32_t generation = payload.document.generation;
    if (buried_.contains(id) && buried_[id] >= generation) return;
    if (generation_.contains(id) && generation_[id] > generation) return;
    if (generation_.contains(id) && generation_[id] < generation) texts_.erase(id);
    generation_[id] = generation;
    for (const auto& chunk : payload.chunks) texts_[id][chunk.id] = chunk.text;
  }
  void remove(const std::string& id, std::uint32_t generation) {
    buried_[id] = std::max(buried_[id], generation);
    if (generation_.contains(id) && generation_[id] <= generation) forget(id);
  }
  void drop() {
    for (const auto& [id, generation] : std::map(generation_)) {
      buried_[id] = ~0U;
      forget(id);
    }
  }
  std::map<std::string, std::string> chunks() const {
    std::map<std::string, std::string> all;
    for (const auto& [id, texts] : texts_) all.insert(texts.begin(), texts.end());
    return all;
  }

 private:
  void forget(const std::string& id) {
    texts_.erase(id);
    generation_.erase(id);
  }
  std::map<std::string, std::uint32_t> generation_;
  std::map<std::string, std::uint32_t> buried_;
  std::map<std::string, std::map<std::string, std::string>> texts_;
};

// Every chunk holds the word "common", so one search must return them all, by words and by vectors.
void compare(Collection& collection, const Model& model) {
  auto request = search_of("common", 100);
  const auto found = collection.search(request, 1);
  ASSERT_TRUE(found) << found.error().message;
  std::map<std::string, std::string> chunks;
  for (const auto& passage : found->passages) chunks[passage.chunk] = passage.text;
  EXPECT_EQ(chunks, model.chunks());
  EXPECT_EQ(found->coverage.chunks, chunks.size());
  request.model = "no such model";
  const auto by_words = collection.search(request, 1);
  ASSERT_TRUE(by_words);
  EXPECT_EQ(by_words->passages.size(), chunks.size());
  request = search_of("zzz", 100);
  request.vector = vector_of("common");
  const auto by_vectors = collection.search(request, 1);
  ASSERT_TRUE(by_vectors);
  EXPECT_EQ(by_vectors->passages.size(), chunks.size());
}

class CollectionProperty : public ::testing::TestWithParam<unsigned> {};

TEST_P(CollectionProperty, AgreesWithAPlainModel) {
  std::mt19937 random(GetParam());
  const auto below = [&](std::uint32_t limit) { return static_cast<std::uint32_t>(random() % limit); };
  const TemporaryFolder folder;
  const auto open = [&] {
    auto opened = Collection::open(folder.path(), "c");
    EXPECT_TRUE(opened);
    return opened ? std::move(*opened) : nullptr;
  };
  auto collection = open();
  Model model;
  for (int step = 0; step < 60 && !::testing::Test::HasFailure(); ++step) {
    const std::string id = "d" + std::to_string(below(4));
    const std::uint32_t generation = 1 + below(3);
    const std::uint32_t dice = below(20);
    if (dice < 12) {
      std::vector<messages::IndexUpsert> payloads;
      for (std::uint32_t i = 0; i <= below(3); ++i) {
        std::vector<std::string> texts;
        for (std::uint32_t t = 0; t <= below(3); ++t)
          texts.push_back("common word" + std::to_string(below(5)));
        payloads.push_back(
            upsert_of(i == 0 ? id : "d" + std::to_string(below(4)), 1 + below(3), texts, generation));
      }
      std::vector<UpsertRequest> requests;
      for (const auto& payload : payloads) requests.push_back({&payload, 1, {}});
      for (const Status& status : collection->upsert(requests)) EXPECT_TRUE(status);
      for (const auto& payload : payloads) model.upsert(payload);
    } else if (dice < 16) {
      ASSERT_TRUE(collection->remove(delete_of(id, generation), 1));
      model.remove(id, generation);
    } else if (dice == 16 && below(4) == 0) {
      ASSERT_TRUE(collection->drop({"c", {}}, 1));
      model.drop();
    } else if (dice == 17) {
      ASSERT_TRUE(collection->save());
    } else if (dice == 18) {
      collection.reset();
      if (below(2) == 0) std::filesystem::remove(folder.path() / "vectors.snapshot");
      if (below(2) == 0) std::filesystem::remove_all(folder.path() / "words.0");
      collection = open();
    } else {
      collection.reset();
      collection = open();
    }
    compare(*collection, model);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, CollectionProperty, ::testing::Range(1U, 7U));

}  // namespace
}  // namespace answermill::index
