#include "broker/journal/records.h"

#include <pthread.h>

#include <charconv>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "shared/messages/codec.h"

namespace answermill::broker {
namespace {

constexpr std::size_t kBatch = 256;  // rows that change threads together: they fit into a core's cache
constexpr std::size_t kAhead = 8;    // batches that may wait to be taken

using Batch = std::vector<JournalRecord>;

// Full batches one way, empty ones back.
class Exchange {
 public:
  // Gives what was filled and becomes an empty one; waits while too many do.
  void give(Batch& batch) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return full_.size() < kAhead; });
    full_.push_back(std::move(batch));
    batch = {};
    if (!empty_.empty()) {
      batch = std::move(empty_.back());
      empty_.pop_back();
    }
    changed_.notify_all();
  }
  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  // Everything that waits, oldest first, for what was used; false at the end.
  bool take(std::vector<Batch>& batches) {
    std::unique_lock lock(mutex_);
    for (auto& used : batches) empty_.push_back(std::move(used));
    batches.clear();
    changed_.wait(lock, [this] { return !full_.empty() || ended_; });
    batches.swap(full_);
    changed_.notify_all();
    return !batches.empty();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Batch> full_;   // guarded by mutex_
  std::vector<Batch> empty_;  // guarded by mutex_
  bool ended_ = false;        // guarded by mutex_
};

Status read_all(Journal& journal, Exchange& exchange) {
  Batch batch;
  auto read = journal.recover([&](const JournalRowView& row) {
    decode_row(row.table, row.key, row.value, batch.emplace_back());
    if (batch.size() == kBatch) exchange.give(batch);
  });
  if (!batch.empty()) exchange.give(batch);
  return read;
}

std::optional<Sha256Digest> digest_of(std::string_view hex) {
  Sha256Digest digest{};
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const char* byte = hex.data() + 2 * i;
    if (std::from_chars(byte, byte + 2, digest[i], 16).ptr != byte + 2) return std::nullopt;
  }
  return digest;
}

template <class Stored>
void decode_into(JournalRecord& record, std::string_view value) {
  if (auto stored = messages::decode<Stored>(value)) record.what = std::move(*stored);
}

}  // namespace

JournalRecord decode_row(JournalTable table, std::string_view key, std::string_view value) {
  JournalRecord record;
  decode_row(table, key, value, record);
  return record;
}

void decode_row(JournalTable table, std::string_view key, std::string_view value, JournalRecord& record) {
  record.key = key;
  switch (table) {
    case JournalTable::kRequest:
      if (auto stored = messages::decode<messages::StoredRequest>(value)) {
        auto& known = record.what.emplace<KnownRequest>();
        known.job = std::move(stored->job);
        // Anything but a digest is none of a submission: its repetition is refused as another one.
        if (const auto digest = digest_of(stored->digest)) known.digest = *digest;
      }
      break;
    case JournalTable::kGroup:
      decode_into<messages::StoredGroup>(record, value);
      break;
    case JournalTable::kStream:
      decode_into<messages::StoredStream>(record, value);
      break;
    case JournalTable::kJob:
      if (!decode_stored(value, record.what.emplace<messages::StoredJob>()))
        record.what.emplace<std::monostate>();
      break;
  }
}

Result<std::uint64_t> read_records(Journal& journal, const std::function<void(JournalRecord&&)>& take) {
  Exchange exchange;
  Status read;
  std::thread reader([&] {
    ::pthread_setname_np(::pthread_self(), "journal");
    read = read_all(journal, exchange);
    exchange.end();
  });
  std::uint64_t rows = 0;
  for (std::vector<Batch> batches; exchange.take(batches);) {
    for (auto& batch : batches) {
      rows += batch.size();
      for (auto& record : batch) take(std::move(record));
      batch.clear();
    }
  }
  reader.join();
  if (!read) return read.error();
  return rows;
}

}  // namespace answermill::broker
