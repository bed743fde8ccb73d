#include <sqlite3.h>

#include "broker/journal/inspect.h"
#include "broker/journal/json_line.h"
#include "journal_fixture.h"
#include "shared/messages/codec.h"
#include "shared/messages/journal.h"

namespace answermill::broker {
namespace {

class JournalInspectTest : public JournalFixture {
 protected:
  static std::vector<JournalOp> sample() {
    messages::StoredJob job;
    job.spec.id = "j1";
    job.spec.stage = "embed";
    job.spec.op = "chunks";
    job.spec.tenant = "t \"quoted\"";
    job.spec.payload = std::string("\x00\xff\x01", 3);
    messages::StoredJob tried = job;
    tried.spec.id = "j2";
    tried.failures = 2;
    messages::StoredGroup group;
    group.spec.id = "g";
    group.progress.stages = {{"embed", 3, 9}};
    return {
        {JournalTable::kJob, false, "j1", messages::encode(job)},
        {JournalTable::kJob, false, "j2", messages::encode(tried)},
        {JournalTable::kGroup, false, "g", messages::encode(group)},
        {JournalTable::kRequest, false, "t\nr", messages::encode(messages::StoredRequest{"j1", "", "d"})}};
  }
  std::string run(int (*look)(const std::string&, std::FILE*)) {
    char* text = nullptr;
    std::size_t size = 0;
    std::FILE* out = ::open_memstream(&text, &size);
    code = look(path(), out);
    std::fclose(out);
    std::string printed(text, size);
    std::free(text);
    return printed;
  }
  int code = -1;
};

TEST_F(JournalInspectTest, ChecksBesideARunningBroker) {
  RunningJournal running(path());
  running.write(sample());
  const auto printed = run(check_journal);
  EXPECT_EQ(code, 0) << printed;
  EXPECT_NE(printed.find("a broker is running"), std::string::npos) << printed;
  EXPECT_NE(printed.find("embed waiting 1"), std::string::npos) << printed;
  EXPECT_NE(printed.find("embed failed before 1"), std::string::npos) << printed;
  EXPECT_NE(printed.find("the journal is whole"), std::string::npos) << printed;
  running.write({erase_job("j1")});  // the broker writes on undisturbed
}

TEST_F(JournalInspectTest, ExportsEverythingDecoded) {
  { RunningJournal(path()).write(sample()); }
  const auto printed = run(export_journal);
  EXPECT_EQ(code, 0);
  EXPECT_NE(printed.find(R"("tenant":"t \"quoted\"")"), std::string::npos) << printed;
  EXPECT_NE(printed.find(R"("payload_base64":"AP8B")"), std::string::npos) << printed;
  EXPECT_NE(printed.find(R"("stages":[{"stage":"embed","done":3,"total":9}])"), std::string::npos) << printed;
  EXPECT_NE(printed.find(R"("key":"t\u000ar")"), std::string::npos) << printed;
  EXPECT_EQ(std::count(printed.begin(), printed.end(), '\n'), 4);
}

TEST_F(JournalInspectTest, NamesDamage) {
  { RunningJournal(path()).write(sample()); }
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &database), SQLITE_OK);
  sqlite3_exec(database, "UPDATE jobs SET key = 'j9' WHERE key = 'j1'; DELETE FROM groups", nullptr, nullptr,
               nullptr);
  sqlite3_close(database);
  const auto printed = run(check_journal);
  EXPECT_EQ(code, 1);
  EXPECT_NE(printed.find("1 rows of jobs are damaged"), std::string::npos) << printed;
  EXPECT_NE(printed.find("groups has 0 rows of 1"), std::string::npos) << printed;
  const auto lines = run(export_journal);
  EXPECT_NE(lines.find("\"intact\":false"), std::string::npos) << lines;
}

TEST_F(JournalInspectTest, SaysWhenThereIsNone) {
  run(check_journal);
  EXPECT_EQ(code, 1);
  EXPECT_FALSE(fs::exists(path()));
}

TEST(JsonLineTest, WritesBytesOfEveryLength) {
  EXPECT_EQ(JsonLine().bytes("a", "M").bytes("b", "Ma").bytes("c", "Man").str(),
            R"({"a_base64":"TQ==","b_base64":"TWE=","c_base64":"TWFu"})");
  EXPECT_EQ(JsonLine().text("a", "\xff").flag("b", true).number("c", -1).str(),
            R"({"a_base64":"/w==","b":true,"c":-1})");
}

}  // namespace
}  // namespace answermill::broker
