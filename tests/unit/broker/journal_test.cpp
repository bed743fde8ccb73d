#include "broker/journal/journal.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <future>

#include "shared/base/ids.h"

namespace answermill::broker {
namespace {

namespace fs = std::filesystem;

class JournalTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path() const { return folder_ / "journal.sqlite"; }
  fs::path folder_ = fs::temp_directory_path() / ("answermill-" + random_id());
};

TEST_F(JournalTest, KeepsWhatItAcknowledged) {
  {
    auto journal = Journal::open(path());
    ASSERT_TRUE(journal);
    EXPECT_EQ((*journal)->boot(), 1U);
    std::promise<void> done;
    (*journal)->start([&](std::uint64_t ticket) {
      if (ticket == 2) done.set_value();
    });
    (*journal)->append({{JournalTable::kJob, false, "a", "1"}, {JournalTable::kJob, false, "b", "2"}}, 1);
    (*journal)->append({{JournalTable::kJob, true, "a", ""}, {JournalTable::kGroup, false, "g", "3"}}, 2);
    done.get_future().wait();
  }
  auto journal = Journal::open(path());
  ASSERT_TRUE(journal);
  EXPECT_EQ((*journal)->boot(), 2U);
  const auto rows = (*journal)->recover();
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 2U);
  EXPECT_EQ(rows->at(0).key, "g");
  EXPECT_EQ(rows->at(1).key, "b");
}

TEST_F(JournalTest, NamesADamagedFile) {
  {
    std::FILE* file = std::fopen(path().c_str(), "w");
    std::fputs(
        "this is not a database, and long enough to be looked at as one ................................",
        file);
    std::fclose(file);
  }
  const auto journal = Journal::open(path());
  ASSERT_FALSE(journal);
  EXPECT_EQ(journal.error().code, ErrorCode::kDamaged);
}

}  // namespace
}  // namespace answermill::broker
