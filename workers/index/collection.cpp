#include "workers/index/collection.h"

#include <algorithm>

#include "shared/base/sha256.h"
#include "shared/log/log.h"

namespace answermill::index {
namespace {

constexpr char kStoreFile[] = "chunks.sqlite";
constexpr char kVectorsFile[] = "vectors.snapshot";

std::span<const float> floats_of(std::string_view bytes) {
  return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
}

}  // namespace

std::string folder_name(std::string_view collection) {
  constexpr std::string_view kSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  constexpr std::size_t kLongest = 120;
  constexpr char kHex[] = "0123456789abcdef";
  std::string name;
  for (const char c : collection) {
    if (kSafe.find(c) != std::string_view::npos && !(name.empty() && c == '.')) {
      name.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      name += {'%', kHex[byte >> 4U], kHex[byte & 15U]};
    }
  }
  if (name.empty()) name = "%";
  if (name.size() > kLongest) name = name.substr(0, 32) + "%" + sha256_hex(collection);
  return name;
}

Collection::Collection(std::filesystem::path folder, std::string name, ChunkStore store, WordIndex words)
    : folder_(std::move(folder)), name_(std::move(name)), store_(std::move(store)), words_(std::move(words)) {
  words_folder_ = words_.folder();
}

Result<std::unique_ptr<Collection>> Collection::open(std::filesystem::path folder, std::string name) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure)
    return Error{ErrorCode::kInternal, "a collection's folder could not be made: " + failure.message()};
  auto store = ChunkStore::open(folder / kStoreFile);
  if (!store) return store.error();
  auto words = WordIndex::open(folder);
  if (!words) return words.error();
  std::unique_ptr<Collection> opened(
      new Collection(std::move(folder), std::move(name), std::move(*store), std::move(*words)));
  const std::lock_guard lock(opened->write_mutex_);
  auto seq = opened->vectors_.load(opened->folder_ / kVectorsFile);
  if (seq) opened->vectors_seq_ = *seq;
  if (!seq && seq.error().code == ErrorCode::kDamaged)
    log::warn("the vectors' snapshot is damaged; rebuilding");
  if (auto ready = opened->catch_up(); !ready) return ready.error();
  return opened;
}

Collection::~Collection() {
  if (unsaved_ > 0) {
    if (auto saved = save(); !saved) log::warn("{}", saved.error().message);
  }
}

Status Collection::catch_up() {
  auto state = store_.state();
  if (!state) return state.error();
  if (auto done = catch_up_vectors(*state); !done) return done;
  if (auto done = catch_up_words(*state); !done) return done;
  auto languages = store_.languages();
  if (!languages) return languages.error();
  const std::unique_lock lock(vectors_mutex_);
  languages_ = std::move(*languages);
  epoch_ = state->epoch;
  stale_ = false;
  return {};
}

Status Collection::catch_up_vectors(const ChunkStore::State& state) {
  const std::unique_lock lock(vectors_mutex_);
  if (vectors_seq_ > state.seq || vectors_seq_ < state.forgotten) {
    vectors_.clear();
    vectors_seq_ = 0;
  }
  if (vectors_seq_ == state.seq) return {};
  auto replayed = store_.replay(
      vectors_seq_,
      [this](std::int64_t key) {
        vectors_.remove(key);
        ++unsaved_;
      },
      [this](const ChunkView& chunk) {
        vectors_.add(chunk.model, chunk.key, chunk.document, floats_of(chunk.vector));
        ++unsaved_;
      });
  if (replayed) vectors_seq_ = state.seq;
  return replayed;
}

Status Collection::catch_up_words(const ChunkStore::State& state) {
  auto count = store_.count_chunks();
  if (!count) return count.error();
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (words_.seq() > state.seq || words_.seq() < state.forgotten || attempt > 0) {
      log::info("rebuilding the word index of a collection of {} chunks", *count);
      if (auto cleared = clear_words(); !cleared) return cleared;
    }
    Status failure;
    const auto keep_first = [&failure](Status step) {
      if (failure && !step) failure = std::move(step);
    };
    auto replayed = store_.replay(
        words_.seq(), [&](std::int64_t key) { keep_first(words_.remove(key)); },
        [&](const ChunkView& chunk) { keep_first(words_.put(chunk)); });
    if (!replayed) return replayed;
    if (failure) failure = words_.commit(state.seq);
    if (failure && words_.count() == *count) return {};
    log::warn("the word index does not fit its collection; rebuilding");
  }
  return Error{ErrorCode::kDamaged, "the word index of a collection could not be rebuilt"};
}

void Collection::apply(const Changes& changes) {
  Status done;
  for (const std::int64_t key : changes.removed) {
    if (done) done = words_.remove(key);
  }
  for (const ChunkView& chunk : changes.added) {
    if (done) done = words_.put(chunk);
  }
  if (done) done = words_.commit(changes.seq);
  {
    const std::unique_lock lock(vectors_mutex_);
    for (const std::int64_t key : changes.removed) vectors_.remove(key);
    for (const ChunkView& chunk : changes.added) {
      vectors_.add(chunk.model, chunk.key, chunk.document, floats_of(chunk.vector));
      if (std::find(languages_.begin(), languages_.end(), chunk.language) == languages_.end()) {
        languages_.emplace_back(chunk.language);
      }
    }
    vectors_seq_ = changes.seq;
  }
  unsaved_ += changes.removed.size() + changes.added.size();
  if (!done) {
    log::error("{}", done.error().message);
    stale_ = true;
  }
}

// Readers of the files that were replaced must not come back.
Status Collection::clear_words() {
  auto cleared = words_.clear();
  const std::lock_guard lock(readers_mutex_);
  readers_.clear();
  ++readers_generation_;
  return cleared;
}

// The words alone can fail (the vectors are memory), and a rebuild of them from the store needs no trust in
// what is on disk.
Status Collection::repair_if_stale() {
  if (!stale_) return {};
  if (auto cleared = clear_words(); !cleared) return cleared;
  return catch_up();
}

// A larger epoch says that somebody else may have written since we looked.
Status Collection::follow_epoch(std::uint64_t owner_epoch) {
  if (owner_epoch <= epoch_) return {};
  if (auto claimed = store_.claim(owner_epoch); !claimed) return claimed;
  return catch_up();
}

std::vector<Status> Collection::upsert(std::span<const UpsertRequest> requests) {
  const std::lock_guard lock(write_mutex_);
  std::uint64_t newest = 0;
  for (const UpsertRequest& request : requests) newest = std::max(newest, request.owner_epoch);
  Status ready = repair_if_stale();
  if (ready && newest > epoch_) ready = follow_epoch(newest);
  if (!ready && ready.error().code != ErrorCode::kFenced) return std::vector<Status>(requests.size(), ready);
  auto outcome = store_.upsert(requests);
  if (!outcome) return std::vector<Status>(requests.size(), Status(outcome.error()));
  if (!outcome->changes.added.empty() || !outcome->changes.removed.empty()) apply(outcome->changes);
  return std::move(outcome->statuses);
}

Status Collection::remove(const messages::IndexDelete& request, std::uint64_t owner_epoch) {
  const std::lock_guard lock(write_mutex_);
  if (auto ready = repair_if_stale(); !ready) return ready;
  if (auto ready = follow_epoch(owner_epoch); !ready) return ready;
  auto changes = store_.remove(request, owner_epoch);
  if (!changes) return changes.error();
  apply(*changes);
  return {};
}

Status Collection::drop(const messages::IndexDrop& request, std::uint64_t owner_epoch) {
  const std::lock_guard lock(write_mutex_);
  if (auto ready = follow_epoch(owner_epoch); !ready) return ready;
  auto changes = store_.drop(request, owner_epoch);
  if (!changes) return changes.error();
  apply(*changes);
  return {};
}

Status Collection::save() {
  const std::lock_guard writers(write_mutex_);
  const std::shared_lock lock(vectors_mutex_);
  auto saved = vectors_.save(folder_ / kVectorsFile, vectors_seq_);
  if (saved) unsaved_ = 0;
  return saved;
}

}  // namespace answermill::index
