#include "workers/index/collection.h"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "tests/unit/index/index_fixture.h"

namespace answermill::index {
namespace {

class CollectionTest : public ::testing::Test {
 protected:
  void SetUp() override { reopen(); }

  void reopen() {
    collection_.reset();
    auto opened = Collection::open(folder_.path() / "c", "c");
    ASSERT_TRUE(opened) << opened.error().message;
    collection_ = std::move(*opened);
  }

  Status upsert(const messages::IndexUpsert& payload, std::uint64_t epoch = 1, std::string_view group = {}) {
    const std::vector<UpsertRequest> requests{{&payload, epoch, group}};
    return collection_->upsert(requests).front();
  }

  messages::SourcesEvent search(const std::string& query, double max_distance = 1) {
    auto found = collection_->search(search_of(query, 8, max_distance), 1);
    EXPECT_TRUE(found) << found.error().message;
    return found ? *found : messages::SourcesEvent();
  }

  std::vector<std::string> found_documents(const std::string& query, double max_distance = 1) {
    std::vector<std::string> documents;
    for (const auto& passage : search(query, max_distance).passages) documents.push_back(passage.document);
    return documents;
  }

  void flip_middle_byte(const std::filesystem::path& file) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    ASSERT_TRUE(stream) << file;
    const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(file) / 2);
    stream.seekg(middle);
    const char byte = static_cast<char>(stream.get() ^ 0x55);
    stream.seekp(middle);
    stream.put(byte);
  }

  TemporaryFolder folder_;
  std::unique_ptr<Collection> collection_;
};

const std::string kTungsten = "The melting point of tungsten is 3422 degrees Celsius";
const std::string kZinc = "Zinc is a chemical element used to galvanize steel";
const std::string kLease = "Lease obligations of the company amount to 12 million dollars";

TEST_F(CollectionTest, FindsWhatWasUpserted) {
  ASSERT_TRUE(upsert(upsert_of("metals", 3, {kTungsten, kZinc})));
  ASSERT_TRUE(upsert(upsert_of("filing", 61, {kLease})));
  const auto sources = search("What is the melting point of tungsten?");
  ASSERT_FALSE(sources.passages.empty());
  const auto& best = sources.passages.front();
  EXPECT_EQ(best.number, 1U);
  EXPECT_EQ(best.text, kTungsten);
  EXPECT_EQ(best.document_name, "metals.txt");
  EXPECT_EQ(best.collection, "c");
  EXPECT_EQ(best.page, 3U);
  EXPECT_EQ(best.ordinal, 1U);
  EXPECT_GT(best.score, 0.7);
  EXPECT_NEAR(best.score, 1 - best.distance, 1e-9);
  EXPECT_EQ(sources.coverage.pages, 2U);
  EXPECT_EQ(sources.coverage.total_pages, 20U);
  EXPECT_EQ(sources.coverage.documents, 2U);
  EXPECT_EQ(sources.coverage.chunks, 3U);
  EXPECT_EQ(sources.candidates, 3U);
}

TEST_F(CollectionTest, UnrelatedQuestionIsBeyondTheThreshold) {
  ASSERT_TRUE(
      upsert(upsert_of("filing", 1, {kLease, "At this point in time the company holds cash of 3 million"})));
  EXPECT_TRUE(search("What is the melting point of tungsten?", 0.9).passages.empty());
  EXPECT_FALSE(search("lease obligations", 0.5).passages.empty());
}

TEST_F(CollectionTest, EmptyCollectionAnswersWithNothing) {
  const auto sources = search("anything");
  EXPECT_TRUE(sources.passages.empty());
  EXPECT_EQ(sources.coverage.total_pages, 0U);
  EXPECT_EQ(sources.candidates, 0U);
}

TEST_F(CollectionTest, UpsertIsIdempotent) {
  const auto payload = upsert_of("d", 1, {kTungsten, kZinc});
  ASSERT_TRUE(upsert(payload));
  ASSERT_TRUE(upsert(payload));
  const std::vector<UpsertRequest> twice{{&payload, 1, {}}, {&payload, 1, {}}};
  for (const Status& status : collection_->upsert(twice)) EXPECT_TRUE(status);
  const auto sources = search("tungsten zinc");
  EXPECT_EQ(sources.passages.size(), 2U);
  EXPECT_EQ(sources.coverage.chunks, 2U);
  EXPECT_EQ(sources.coverage.pages, 1U);
}

TEST_F(CollectionTest, ChangedChunkReplacesItsOldSelf) {
  ASSERT_TRUE(upsert(upsert_of("d", 1, {kTungsten})));
  ASSERT_TRUE(upsert(upsert_of("d", 1, {kZinc})));
  ASSERT_EQ(search("zinc").passages.size(), 1U);
  EXPECT_EQ(search("tungsten").passages.front().text, kZinc);
  EXPECT_EQ(search("zinc").coverage.chunks, 1U);
}

TEST_F(CollectionTest, NewerGenerationReplacesTheOlderAndIsNotReplacedByIt) {
  ASSERT_TRUE(upsert(upsert_of("d", 1, {kTungsten}, 1)));
  ASSERT_TRUE(upsert(upsert_of("d", 2, {kZinc}, 2)));
  ASSERT_TRUE(upsert(upsert_of("d", 1, {kLease}, 1)));
  const auto sources = search("zinc tungsten lease");
  ASSERT_EQ(sources.passages.size(), 1U);
  EXPECT_EQ(sources.passages.front().text, kZinc);
  EXPECT_EQ(sources.coverage.pages, 1U);
}

TEST_F(CollectionTest, DeletedDocumentIsGoneAtOnceAndStaysGone) {
  ASSERT_TRUE(upsert(upsert_of("d", 1, {kTungsten})));
  ASSERT_TRUE(upsert(upsert_of("e", 1, {kZinc})));
  ASSERT_TRUE(collection_->remove(delete_of("d"), 1));
  EXPECT_EQ(found_documents("tungsten zinc"), std::vector<std::string>{"e"});
  ASSERT_TRUE(upsert(upsert_of("d", 2, {kTungsten})));
  EXPECT_EQ(found_documents("tungsten zinc"), std::vector<std::string>{"e"});
  reopen();
  EXPECT_EQ(found_documents("tungsten zinc"), std::vector<std::string>{"e"});
  ASSERT_TRUE(upsert(upsert_of("d", 2, {kTungsten}, 2)));
  EXPECT_EQ(found_documents("tungsten").front(), "d");
}

TEST_F(CollectionTest, DeleteBeforeTheFirstUpsertHolds) {
  ASSERT_TRUE(collection_->remove(delete_of("d", 3), 1));
  ASSERT_TRUE(upsert(upsert_of("d", 1, {kTungsten}, 3)));
  EXPECT_TRUE(search("tungsten").passages.empty());
}

TEST_F(CollectionTest, CancelledGroupWritesNothingMore) {
  messages::IndexDrop drop;
  drop.collection = "c";
  drop.groups = {"g1"};
  ASSERT_TRUE(upsert(upsert_of("d", 1, {kTungsten}), 1, "g1"));
  ASSERT_TRUE(collection_->drop(drop, 1));
  ASSERT_TRUE(upsert(upsert_of("late", 1, {kTungsten}), 1, "g1"));
  ASSERT_TRUE(upsert(upsert_of("d", 2, {kTungsten}), 1));
  EXPECT_EQ(search("tungsten").coverage.documents, 0U);
  ASSERT_TRUE(upsert(upsert_of("new", 1, {kTungsten}), 1, "g2"));
  EXPECT_EQ(found_documents("tungsten"), std::vector<std::string>{"new"});
}

TEST_F(CollectionTest, StaleOwnerIsFenced) {
  ASSERT_TRUE(upsert(upsert_of("d", 1, {kTungsten}), 5));
  EXPECT_EQ(upsert(upsert_of("d", 2, {kZinc}), 4).error().code, ErrorCode::kFenced);
  EXPECT_EQ(collection_->remove(delete_of("d"), 4).error().code, ErrorCode::kFenced);
  EXPECT_EQ(collection_->drop({}, 4).error().code, ErrorCode::kFenced);
  const auto old = upsert_of("old", 1, {kZinc});
  const auto fresh = upsert_of("fresh", 1, {kLease});
  const std::vector<UpsertRequest> mixed{{&old, 5, {}}, {&fresh, 6, {}}};
  const auto statuses = collection_->upsert(mixed);
  EXPECT_EQ(statuses[0].error().code, ErrorCode::kFenced);
  EXPECT_TRUE(statuses[1]);
  reopen();
  EXPECT_EQ(upsert(upsert_of("d", 2, {kZinc}), 5).error().code, ErrorCode::kFenced);
}

TEST_F(CollectionTest, TwoOwnersOfOneFolderSeeEachOthersWorkByEpoch) {
  auto second = Collection::open(folder_.path() / "c", "c");
  ASSERT_TRUE(second) << second.error().message;
  ASSERT_TRUE(upsert(upsert_of("d", 1, {kTungsten}), 1));
  const auto found = (*second)->search(search_of("tungsten"), 2);
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->passages.size(), 1U);
  EXPECT_GT(found->passages.front().score, 0.7);
  EXPECT_EQ(upsert(upsert_of("e", 1, {kZinc}), 1).error().code, ErrorCode::kFenced);
  const auto payload = upsert_of("f", 1, {kZinc});
  const std::vector<UpsertRequest> requests{{&payload, 2, {}}};
  ASSERT_TRUE((*second)->upsert(requests).front());
  const auto again = collection_->search(search_of("zinc"), 3);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->passages.front().document, "f");
}

TEST_F(CollectionTest, MalformedUpsertIsRefusedAlone) {
  auto broken = upsert_of("broken", 1, {kZinc});
  broken.vectors.pop_back();
  const auto good = upsert_of("good", 1, {kZinc});
  const std::vector<UpsertRequest> both{{&broken, 1, {}}, {&good, 1, {}}};
  const auto statuses = collection_->upsert(both);
  EXPECT_EQ(statuses[0].error().code, ErrorCode::kMalformed);
  EXPECT_TRUE(statuses[1]);
}

TEST_F(CollectionTest, ChunksWithoutVectorsAreFoundByWords) {
  auto payload = upsert_of("d", 1, {kTungsten});
  payload.vectors.clear();
  payload.dimension = 0;
  ASSERT_TRUE(upsert(payload));
  EXPECT_LT(search("tungsten melting").passages.at(0).distance, 0.3);
}

TEST_F(CollectionTest, VectorsOfAnotherModelAreSkipped) {
  ASSERT_TRUE(upsert(upsert_of("d", 1, {kTungsten}, 1, "other")));
  ASSERT_TRUE(upsert(upsert_of("e", 1, {kZinc})));
  const auto passages = search("galvanize").passages;
  ASSERT_EQ(passages.size(), 1U);
  EXPECT_EQ(passages.front().document, "e");
}

TEST_F(CollectionTest, FiltersByDocuments) {
  for (const char* name : {"a", "b", "d"}) ASSERT_TRUE(upsert(upsert_of(name, 1, {kTungsten})));
  auto request = search_of("tungsten");
  request.search.documents = {"b", "unknown"};
  const auto found = collection_->search(request, 1);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->passages.size(), 1U);
  EXPECT_EQ(found->passages.front().document, "b");
  EXPECT_EQ(found->coverage.documents, 1U);
  request.search.documents = {"unknown"};
  EXPECT_TRUE(collection_->search(request, 1)->passages.empty());
}

TEST_F(CollectionTest, OverlappingChunksOfAPageCountOnce) {
  auto payload = upsert_of("d", 1, {kTungsten, kTungsten + " indeed"});
  payload.chunks[1].begin = payload.chunks[0].begin + 5;
  payload.chunks[1].end = payload.chunks[0].end + 5;
  ASSERT_TRUE(upsert(payload));
  EXPECT_EQ(search("tungsten").passages.size(), 1U);
}

TEST_F(CollectionTest, ReadsPages) {
  ASSERT_TRUE(upsert(upsert_of("d", 4, {kTungsten})));
  auto page = collection_->page({"c", "d", 4});
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->found);
  EXPECT_EQ(page->text, kTungsten + "\n");
  EXPECT_EQ(page->total_pages, 10U);
  page = collection_->page({"c", "d", 5});
  EXPECT_FALSE(page->found);
  EXPECT_EQ(page->document_name, "d.txt");
  EXPECT_FALSE(collection_->page({"c", "x", 1})->found);
}

TEST_F(CollectionTest, SurvivesDamagedDerivedFiles) {
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(upsert(upsert_of("d" + std::to_string(i), 1, {kZinc + " number" + std::to_string(i)})));
  }
  ASSERT_TRUE(upsert(upsert_of("t", 1, {kTungsten})));
  collection_.reset();
  std::vector<std::filesystem::path> derived{folder_.path() / "c" / "vectors.snapshot"};
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path() / "c" / "words.0")) {
    if (entry.file_size() > 0) derived.push_back(entry.path());
  }
  ASSERT_GE(derived.size(), 4U);
  for (const auto& file : derived) {
    collection_.reset();
    flip_middle_byte(file);
    reopen();
    EXPECT_EQ(found_documents("tungsten").front(), "t") << file;
    EXPECT_EQ(found_documents("number17").front(), "d17") << file;
    EXPECT_GT(search("melting point of tungsten").passages.front().score, 0.7) << file;
  }
}

TEST_F(CollectionTest, RebuildsMissingDerivedFiles) {
  ASSERT_TRUE(upsert(upsert_of("t", 1, {kTungsten})));
  collection_.reset();
  std::filesystem::remove_all(folder_.path() / "c" / "words.0");
  std::filesystem::remove(folder_.path() / "c" / "vectors.snapshot");
  reopen();
  EXPECT_GT(search("melting point of tungsten").passages.at(0).score, 0.7);
}

TEST_F(CollectionTest, SearchesGoOnWhileUpsertsRun) {
  ASSERT_TRUE(upsert(upsert_of("t", 1, {kTungsten})));
  std::atomic<bool> stop{false};
  std::atomic<int> found{0};
  std::thread reader([&] {
    while (!stop) {
      const auto sources = collection_->search(search_of("melting point of tungsten"), 1);
      if (sources && !sources->passages.empty() && sources->passages.front().document == "t") ++found;
    }
  });
  for (int i = 0; i < 60; ++i) EXPECT_TRUE(upsert(upsert_of("d" + std::to_string(i), 1, {kZinc, kLease})));
  stop = true;
  reader.join();
  EXPECT_GT(found, 0);
}

TEST(FolderName, KeepsSafeNamesAndEscapesOthers) {
  EXPECT_EQ(folder_name("default"), "default");
  EXPECT_EQ(folder_name("a-b_c.9"), "a-b_c.9");
  EXPECT_EQ(folder_name("../etc"), "%2e.%2fetc");
  EXPECT_EQ(folder_name(".."), "%2e.");
  EXPECT_EQ(folder_name(""), "%");
  EXPECT_LE(folder_name(std::string(1000, '/')).size(), 120U);
  EXPECT_NE(folder_name(std::string(1000, '/')), folder_name(std::string(1001, '/')));
}

}  // namespace
}  // namespace answermill::index
