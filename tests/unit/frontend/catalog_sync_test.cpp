#include "frontend/server/catalog/catalog_sync.h"

#include <gtest/gtest.h>

#include <future>

#include "tests/unit/frontend/fakes.h"

namespace answermill::frontend {
namespace {

class CatalogSyncTest : public testing::Test {
 protected:
  std::string path() const { return (world_.folder / "catalog.sqlite").string(); }
  std::uintmax_t log_bytes() const { return std::filesystem::file_size(path() + "-wal"); }
  void ask(const std::string& stream) {
    NewQuestion question;
    question.question = std::string(2000, 'q');
    question.stream = stream;
    ASSERT_TRUE(world_.catalog->begin_question(question));
  }

  test::World world_;
};

TEST_F(CatalogSyncTest, TellsEverybodyOnceTheirCommitsAreKept) {
  CatalogSync sync(path(), *world_.catalog);
  std::vector<std::promise<bool>> kept(50);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    ask("s" + std::to_string(i));
    sync.after_commit([&done = kept[i]](const Status& status) { done.set_value(status.has_value()); });
  }
  for (auto& done : kept) EXPECT_TRUE(done.get_future().get());
}

TEST_F(CatalogSyncTest, SaysSoWhenTheLogCannotBeSynced) {
  CatalogSync sync(path() + "-elsewhere", *world_.catalog);
  std::promise<bool> kept;
  sync.after_commit([&](const Status& status) { kept.set_value(status.has_value()); });
  EXPECT_FALSE(kept.get_future().get());
}

TEST_F(CatalogSyncTest, KeepsTheLogBoundedHoweverBusyTheCatalogIs) {
  CatalogSync sync(path(), *world_.catalog);
  constexpr std::uintmax_t kLong = 44U << 20U;
  std::uintmax_t longest = 0;
  for (int i = 0; i < 3000; ++i) {
    ask("s" + std::to_string(i));
    sync.tend(*world_.catalog);
    if (i % 100 != 0) continue;
    std::promise<void> turn;  // a copy that was asked for is made by then
    sync.after_commit([&](const Status&) { turn.set_value(); });
    turn.get_future().wait();
    longest = std::max(longest, log_bytes());
  }
  EXPECT_LT(longest, kLong) << "without copies it would be longer than 60 MB";
  EXPECT_EQ(world_.catalog->conversations("")->size(), 1000U) << "the list's limit";
}

}  // namespace
}  // namespace answermill::frontend
