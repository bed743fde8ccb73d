// One collection: the chunk store and what is derived from it, behind the operations of the stage.
//
// Thread: every function from any thread. Writes take turns; searches wait for no write beyond the moment in
// which its vectors are added. What a call has written is found by every search that begins after it
// returned. Owns: the folder "<root>/<collection>": chunks.sqlite, vectors.snapshot, words.<n>/.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

#include "workers/index/chunk_store.h"
#include "workers/index/ranking.h"
#include "workers/index/vector_index.h"
#include "workers/index/word_index.h"

namespace answermill::index {

// The folder of a collection: names of letters, digits, "_", "-" and "." stay as they are, others are
// escaped.
std::string folder_name(std::string_view collection);

class Collection {
 public:
  // Makes the folder when it is missing and brings the derived indexes up to date.
  static Result<std::unique_ptr<Collection>> open(std::filesystem::path folder, std::string name);
  ~Collection();
  Collection(const Collection&) = delete;
  Collection& operator=(const Collection&) = delete;

  // One status for each request. They are committed together.
  std::vector<Status> upsert(std::span<const UpsertRequest> requests);
  Status remove(const messages::IndexDelete& request, std::uint64_t owner_epoch);
  Status drop(const messages::IndexDrop& request, std::uint64_t owner_epoch);

  Result<messages::SourcesEvent> search(const messages::IndexSearch& request, std::uint64_t owner_epoch);
  Result<messages::PageText> page(const messages::ReadPage& request);

  // Changes since the vectors were last written to disk.
  std::uint64_t unsaved() const { return unsaved_.load(); }
  Status save();

 private:
  struct Reader {
    ChunkReader chunks;
    WordReader words;
    std::uint64_t generation = 0;  // of the word index's files
  };

  Collection(std::filesystem::path folder, std::string name, ChunkStore store, WordIndex words);

  Status catch_up();
  Status catch_up_vectors(const ChunkStore::State& state);
  Status catch_up_words(const ChunkStore::State& state);
  // The derived indexes follow a commit. A failure leaves them marked stale: the next operation rebuilds
  // them.
  void apply(const Changes& changes);
  Status repair_if_stale();
  Status clear_words();
  Status follow_epoch(std::uint64_t owner_epoch);

  Result<std::unique_ptr<Reader>> take_reader();
  void give_back(std::unique_ptr<Reader> reader);
  std::vector<std::string> languages() const;
  Result<messages::SourcesEvent> search_once(const messages::IndexSearch& request);
  Result<std::vector<Ranked>> find(const messages::IndexSearch& request, Reader& reader,
                                   const DocumentFilter* filter);
  Result<std::vector<messages::Passage>> choose(const messages::SearchRequest& search,
                                                std::span<const Ranked> ranked, Reader& reader) const;

  const std::filesystem::path folder_;
  const std::string name_;
  std::filesystem::path words_folder_;  // fixed after open()

  std::mutex write_mutex_;  // taken first
  ChunkStore store_;        // guarded by write_mutex_
  WordIndex words_;         // guarded by write_mutex_
  std::atomic<bool> stale_{false};
  std::atomic<std::uint64_t> epoch_{0};
  std::atomic<std::uint64_t> unsaved_{0};

  mutable std::shared_mutex vectors_mutex_;
  VectorIndex vectors_;                 // guarded by vectors_mutex_; changed only with write_mutex_ held too
  std::uint64_t vectors_seq_ = 0;       // likewise
  std::vector<std::string> languages_;  // guarded by vectors_mutex_

  std::mutex readers_mutex_;
  std::vector<std::unique_ptr<Reader>> readers_;  // guarded by readers_mutex_; idle ones
  std::uint64_t readers_generation_ = 0;  // guarded by readers_mutex_; grows when the words are replaced
};

}  // namespace answermill::index
