// A journal whose rows are anything at all: the broker starts, and goes on.
#include "broker/core/core.h"
#include "tests/fuzz/input.h"

using namespace answermill;

namespace {

class Nowhere : public broker::Output {
 public:
  bool send(const std::string&, std::string) override { return true; }
  void publish(std::string_view, std::string) override {}
  void journal(std::vector<broker::JournalOp>, std::uint64_t ticket) override { last = ticket; }
  bool journal_healthy() const override { return true; }
  std::uint64_t last = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::array kTables = {broker::JournalTable::kRequest, broker::JournalTable::kGroup,
                                  broker::JournalTable::kStream, broker::JournalTable::kJob};
  std::vector<std::vector<broker::JournalRow>> tables(kTables.size());
  fuzz::Input input(data, size);
  std::uint8_t choice = 0;
  std::string_view bytes;
  for (int rows = 0; rows < 64 && input.next(choice, bytes); ++rows) {
    const std::size_t table = choice % kTables.size();
    const std::string_view key = bytes.substr(0, bytes.find('\n'));
    const std::string_view value = bytes.substr(std::min(bytes.size(), key.size() + 1));
    tables[table].push_back({kTables[table], std::string(key), std::string(value)});
  }
  std::vector<broker::JournalRow> rows;  // tables in the order the journal gives them
  for (auto& table : tables) rows.insert(rows.end(), table.begin(), table.end());
  Nowhere output;
  broker::TimePoint now{};
  broker::Core core({}, output, 2, now);
  core.recover(rows);
  for (int second = 0; second < 4; ++second) core.on_tick(now += std::chrono::seconds(2));
  core.on_committed(output.last, now);
  core.on_tick(now + std::chrono::hours(1));
  return 0;
}
