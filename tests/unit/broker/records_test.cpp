#include "broker/journal/records.h"

#include "journal_fixture.h"
#include "shared/messages/codec.h"

namespace answermill::broker {
namespace {

using RecordsTest = JournalFixture;

std::string job(const std::string& id) {
  messages::StoredJob stored;
  stored.spec.id = id;
  return encode(stored);
}

TEST_F(RecordsTest, BringsEveryRowInOrder) {
  constexpr int kJobs = 10'000;  // more than wait between the threads
  const auto digest = sha256("a submission");
  {
    RunningJournal running(path());
    std::vector<JournalOp> ops;
    for (int i = 0; i < kJobs; ++i) ops.push_back(put_job(std::to_string(i), job(std::to_string(i))));
    ops.push_back(
        {JournalTable::kRequest, false, "t\nr", encode(messages::StoredRequest{"0", {}, to_hex(digest)})});
    ops.push_back({JournalTable::kRequest, false, "t\nodd", encode(messages::StoredRequest{"1", {}, "?"})});
    ops.push_back({JournalTable::kStream, false, "s", "no stream"});
    running.write(ops);
  }
  auto journal = Journal::open(path());
  ASSERT_TRUE(journal);
  int jobs = 0;
  int others = 0;
  const auto rows = read_records(**journal, [&](JournalRecord&& record) {
    if (const auto* stored = std::get_if<messages::StoredJob>(&record.what)) {
      EXPECT_EQ(stored->spec.id, std::to_string(jobs++));
    } else if (const auto* known = std::get_if<KnownRequest>(&record.what)) {
      EXPECT_EQ(jobs, 0) << "requests come first";
      EXPECT_EQ(known->digest, record.key == "t\nr" ? digest : Sha256Digest{});
      EXPECT_EQ(known->job, record.key == "t\nr" ? "0" : "1");
    } else {
      EXPECT_TRUE(std::holds_alternative<std::monostate>(record.what));
      EXPECT_EQ(record.key, "s");
      ++others;
    }
  });
  ASSERT_TRUE(rows);
  EXPECT_EQ(*rows, static_cast<std::uint64_t>(kJobs + 3));
  EXPECT_EQ(jobs, kJobs);
  EXPECT_EQ(others, 1);
}

}  // namespace
}  // namespace answermill::broker
