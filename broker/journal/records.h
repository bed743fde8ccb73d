// The rows of the journal as what they say, and the way there for a start with a million of them: one thread
// reads, checks and decodes while the caller's takes in what is ready.
//
// Thread: decode_row() from any; read_records() blocks its caller, on which `take` is called.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>

#include "broker/journal/journal.h"
#include "shared/base/sha256.h"
#include "shared/messages/journal.h"

namespace answermill::broker {

// A request as it is remembered, small since there are those of 24 h.
struct KnownRequest {
  std::string job;
  Sha256Digest digest{};     // of the submission
  std::uint64_t ticket = 0;  // of the commit that made it durable; 0: it is
};

struct JournalRecord {
  std::string key;
  // Nothing: a row that does not decode.
  std::variant<std::monostate, KnownRequest, messages::StoredGroup, messages::StoredStream,
               messages::StoredJob>
      what;
};

JournalRecord decode_row(JournalTable table, std::string_view key, std::string_view value);
void decode_row(JournalTable table, std::string_view key, std::string_view value, JournalRecord& record);

// Everything that is open, in the order and with the errors of Journal::recover(). `take` may have had rows
// before an error. Returns how many there were.
Result<std::uint64_t> read_records(Journal& journal, const std::function<void(JournalRecord&&)>& take);

}  // namespace answermill::broker
