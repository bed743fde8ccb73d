#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "shared/base/ids.h"
#include "shared/base/mailbox.h"
#include "shared/base/sha256.h"
#include "shared/store/blob_store.h"
#include "shared/store/sqlite.h"
#include "shared/text/utf8.h"

namespace answermill {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("answermill-" + random_id())) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

TEST(Sha256, MatchesTheStandardsExample) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Ids, StreamIdsNameTheirTopic) {
  const std::string topic = random_id();
  EXPECT_EQ(topic.size(), kTopicWidth);
  EXPECT_EQ(topic_of_stream(new_stream_id(topic)), topic);
  EXPECT_EQ(topic_of_stream("short"), "");
  EXPECT_EQ(topic_of_stream(topic + "-" + "0000000000000000"), "");
  EXPECT_EQ(topic_of("room").size(), kTopicWidth);
  EXPECT_NE(topic_of("room"), topic_of("rooms"));
}

TEST(ErrorCode, NamesRoundTrip) {
  for (int i = 0; i < 26; ++i)
    EXPECT_EQ(error_code_from(to_string(static_cast<ErrorCode>(i))), static_cast<ErrorCode>(i));
  EXPECT_EQ(to_string(static_cast<ErrorCode>(200)), "internal");
}

TEST(Mailbox, RunsWhatOtherThreadsPostInOrder) {
  Mailbox mailbox;
  std::vector<int> order;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) mailbox.post([&order, i] { order.push_back(i); });
  });
  other.join();
  EXPECT_EQ(mailbox.run_all(), 1000U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(Utf8, RepairsByMaximalSubparts) {
  EXPECT_TRUE(text::is_valid_utf8("grüße 漢字 🙂"));
  EXPECT_FALSE(text::is_valid_utf8("\xC0\x80"));
  EXPECT_EQ(text::repair_utf8("a\xF0\x9F\x99z"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(text::count_code_points("a漢🙂"), 3U);
  EXPECT_EQ(text::byte_offset_of("a漢🙂b", 2), 4U);
  EXPECT_EQ(text::floor_boundary("漢字", 4), 3U);
}

TEST(BlobStore, NamesBytesByTheirHashAndForgetsHalfOnes) {
  const Folder folder;
  store::BlobStore blobs(folder.path());
  const auto hash = blobs.put("abc");
  ASSERT_TRUE(hash);
  EXPECT_EQ(*hash, sha256_hex("abc"));
  EXPECT_EQ(*blobs.read(*hash), "abc");
  {
    auto half = blobs.create();
    ASSERT_TRUE(half->append("x"));
  }
  EXPECT_TRUE(fs::is_empty(folder.path() / "incoming"));
  EXPECT_TRUE(blobs.remove(*hash));
  EXPECT_EQ(blobs.open(*hash).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(blobs.open("../../etc/passwd").error().code, ErrorCode::kInvalidArgument);
}

TEST(Sqlite, StatementsOfOneTextDoNotMeet) {
  const Folder folder;
  store::Statement survivor;
  {
    auto database = store::Database::open(folder.path() / "t.sqlite", store::Synchronous::kFull);
    ASSERT_TRUE(database);
    ASSERT_TRUE(database->execute("CREATE TABLE t(x); INSERT INTO t VALUES(1), (2), (3)"));
    constexpr std::string_view kSql = "SELECT x FROM t WHERE x >= coalesce(?, 1) ORDER BY x";
    for (int round = 0; round < 3; ++round) {
      auto outer = database->prepare(kSql);
      outer->bind(1, std::int64_t{2});
      ASSERT_TRUE(*outer->step());
      auto inner = database->prepare(kSql);
      ASSERT_TRUE(*inner->step());
      EXPECT_EQ(inner->integer(0), 1) << "nothing is left of what was bound before";
      EXPECT_EQ(outer->integer(0), 2);
      ASSERT_TRUE(*outer->step());
      EXPECT_EQ(outer->integer(0), 3);
    }  // in the middle of their rows
    ASSERT_TRUE(database->execute("DROP TABLE t; CREATE TABLE t(x, y); INSERT INTO t VALUES(7, 8)"));
    auto after = database->prepare(kSql);
    ASSERT_TRUE(*after->step()) << "compiled anew for the new table";
    EXPECT_EQ(after->integer(0), 7);
    survivor = std::move(*after);
  }
  EXPECT_EQ(survivor.integer(0), 7) << "a statement keeps its connection open";
}

// Both with a name while it is written and without one.
class BlobStoreKinds : public testing::TestWithParam<store::BlobStore::Temporary> {};

TEST_P(BlobStoreKinds, NothingStaysOfAWriterThatWasKilled) {
  const Folder folder;
  const pid_t writer = ::fork();
  if (writer == 0) {
    store::BlobStore blobs(folder.path(), GetParam());
    auto half = blobs.create();
    if (!half || !half->append(std::string(100'000, 'x'))) ::_exit(1);
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(writer, &status, 0), writer);
  ASSERT_TRUE(WIFSIGNALED(status));
  const auto incoming = folder.path() / "incoming";
  if (GetParam() == store::BlobStore::Temporary::kNamed) {
    for (const auto& left : fs::directory_iterator(incoming))
      fs::last_write_time(left.path(), fs::file_time_type::clock::now() - std::chrono::minutes(2));
  } else {
    EXPECT_TRUE(fs::is_empty(incoming));
  }
  store::BlobStore next(folder.path());
  EXPECT_TRUE(fs::is_empty(incoming));
}

TEST_P(BlobStoreKinds, TheSweepLeavesWhatIsBeingWritten) {
  const Folder folder;
  store::BlobStore blobs(folder.path(), GetParam());
  auto slow = blobs.create();
  ASSERT_TRUE(slow);
  ASSERT_TRUE(slow->append("a"));
  for (const auto& file : fs::directory_iterator(folder.path() / "incoming"))
    fs::last_write_time(file.path(), fs::file_time_type::clock::now() - std::chrono::minutes(2));
  const store::BlobStore another(folder.path());
  ASSERT_TRUE(slow->append("bc"));
  EXPECT_EQ(*slow->finish(), sha256_hex("abc"));
  EXPECT_EQ(*another.read(sha256_hex("abc")), "abc");
  EXPECT_TRUE(fs::is_empty(folder.path() / "incoming"));
}

TEST_P(BlobStoreKinds, TheSameBytesAgainHealWhatTheDiskChanged) {
  const Folder folder;
  store::BlobStore blobs(folder.path(), GetParam());
  const auto hash = blobs.put("abc");
  ASSERT_TRUE(hash);
  ASSERT_TRUE(blobs.put("abc"));
  EXPECT_EQ(*blobs.read(*hash), "abc");
  const auto place = folder.path() / hash->substr(0, 2) / hash->substr(2);
  std::ofstream(place) << "abd";
  ASSERT_EQ(*blobs.put("abc"), *hash);
  EXPECT_EQ(*blobs.read(*hash), "abc");
  EXPECT_TRUE(fs::is_empty(folder.path() / "incoming"));
}

INSTANTIATE_TEST_SUITE_P(All, BlobStoreKinds,
                         testing::Values(store::BlobStore::Temporary::kNameless,
                                         store::BlobStore::Temporary::kNamed));

TEST(Sqlite, RollsBackWhatWasNotCommitted) {
  const Folder folder;
  auto database = store::Database::open(folder.path() / "t.sqlite", store::Synchronous::kFull);
  ASSERT_TRUE(database);
  ASSERT_TRUE(database->execute("CREATE TABLE t (v BLOB)"));
  {
    auto transaction = store::Transaction::begin(*database);
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(
        database->prepare("INSERT INTO t VALUES (?)")->bind_blob(1, std::string_view("\0x", 2)).run());
  }
  auto count = database->prepare("SELECT count(*) FROM t");
  ASSERT_TRUE(*count->step());
  EXPECT_EQ(count->integer(0), 0);
}

}  // namespace
}  // namespace answermill
