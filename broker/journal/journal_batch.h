// What one transaction of the journal changes: the ops in order, their bytes in one piece of memory that is
// used again for the next, so that committing thousands of rows a second asks the allocator for nothing.
//
// Pure. Thread: one at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace answermill::broker {

enum class JournalTable { kJob, kGroup, kStream, kRequest };
inline constexpr std::size_t kJournalTables = 4;
inline constexpr std::array<const char*, kJournalTables> kJournalTableNames = {"jobs", "groups", "streams",
                                                                               "requests"};

struct JournalOp {
  JournalTable table = JournalTable::kJob;
  bool erase = false;
  std::string key;
  std::string value;  // encoded record
};

class JournalBatch {
 public:
  struct View {  // as long as the batch is not changed
    JournalTable table;
    bool erase;
    std::string_view key;
    std::string_view value;
  };

  void add(const JournalOp& op);
  void clear();
  std::size_t size() const { return ops_.size(); }
  View operator[](std::size_t index) const;

  // For each op whether it is its key's last: only that one counts. The answer is good until the next call.
  const std::vector<bool>& find_last();

 private:
  struct Op {
    JournalTable table;
    bool erase;
    std::uint32_t key_size;
    std::size_t value_size;
    std::size_t at;  // of the key; the value follows
  };

  std::vector<Op> ops_;
  std::string bytes_;
  std::vector<bool> last_;
  std::vector<std::uint32_t> slots_;  // hash table of ops: index + 1, open addressing
};

}  // namespace answermill::broker
