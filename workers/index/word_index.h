// The words of a collection: a Xapian database on disk, and readers of it for searches.
//
// A chunk is a Xapian document whose id is the chunk's key; its terms are stems (of the chunk's own
// language), n-grams for Chinese, Japanese and Korean, and one boolean term for its document. Thread:
// WordIndex one at a time (the collection's write lock); a WordReader one at a time, many beside it. The
// folder is locked while open: a paused former owner may still hold it, then the next free one beside it is
// taken. Errors: kInternal, kDiskFull, kDamaged. Source:
// https://getting-started-with-xapian.readthedocs.io/en/latest/
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "shared/base/result.h"
#include "workers/index/chunk_store.h"
#include "workers/index/query_words.h"

namespace answermill::index {

class WordIndex {
 public:
  // Opens "<parent>/words.<n>" for the first n nobody holds. What is missing, damaged or of another version
  // is replaced by an empty one with seq 0.
  static Result<WordIndex> open(const std::filesystem::path& parent);
  ~WordIndex();
  WordIndex(WordIndex&&) noexcept;
  WordIndex& operator=(WordIndex&&) noexcept;

  std::uint64_t seq() const { return seq_; }
  std::uint64_t count() const;
  const std::filesystem::path& folder() const { return folder_; }

  // Visible to readers after commit().
  Status put(const ChunkView& chunk);
  Status remove(std::int64_t key);
  Status commit(std::uint64_t seq);
  Status clear();
  // Commits nothing; writes the checksums that let the next start trust the files.
  void close();

 private:
  struct Impl;
  WordIndex(std::unique_ptr<Impl> impl, std::filesystem::path folder, std::uint64_t seq);

  std::unique_ptr<Impl> impl_;
  std::filesystem::path folder_;
  std::uint64_t seq_ = 0;
};

// How a chunk meets the words of a query.
struct WordMatch {
  std::int64_t key = 0;
  double score = 0;           // BM25 over the words, each with its weight
  std::vector<bool> present;  // by word of the query
};

class WordReader {
 public:
  static Result<WordReader> open(const std::filesystem::path& folder);
  ~WordReader();
  WordReader(WordReader&&) noexcept;
  WordReader& operator=(WordReader&&) noexcept;

  // Sees what is committed now. To be called before a search; the snapshot holds until the next call.
  Status refresh();
  // Inverse document frequency of each word; words that occur nowhere have the greatest.
  Result<std::vector<double>> rarity(std::span<const QueryWord> words);
  // The `limit` best keys by BM25. `documents` null for all.
  Result<std::vector<std::int64_t>> search(std::span<const QueryWord> words, std::size_t limit,
                                           const std::unordered_set<std::int64_t>* documents);
  // Each key's match, in the order of `keys`; keys that are not there match nothing.
  Result<std::vector<WordMatch>> match(std::span<const QueryWord> words, std::span<const double> rarity,
                                       std::span<const std::int64_t> keys);

 private:
  struct Impl;
  explicit WordReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace answermill::index
