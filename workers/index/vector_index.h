// The vectors of a collection in memory: one exact FAISS inner-product index per embedding model.
//
// Shape: float32, unit length, n×dimension row-major. Keys are those of the chunk store.
// Thread: const functions from many threads at once, the others exclusively (the owner's lock).
// FAISS 1.7.3's IndexIDMap2 rejects search parameters, so the map from positions to keys is ours.
// Source: https://github.com/facebookresearch/faiss/wiki/Faiss-indexes
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "shared/base/result.h"

namespace answermill::index {

class SnapshotReader;

struct VectorHit {
  std::int64_t key = 0;
  float cosine = 0;
};

using DocumentFilter = std::unordered_set<std::int64_t>;  // numbers of documents

class VectorIndex {
 public:
  VectorIndex();
  ~VectorIndex();
  VectorIndex(VectorIndex&&) noexcept;
  VectorIndex& operator=(VectorIndex&&) noexcept;

  // A key that is there already is replaced.
  void add(std::string_view model, std::int64_t key, std::int64_t document, std::span<const float> vector);
  void remove(std::int64_t key);
  void clear();
  std::size_t size() const { return places_.size(); }

  // The `k` best of the vectors made by `model` with the query's dimension; `filter` null for all documents.
  std::vector<VectorHit> search(std::string_view model, std::span<const float> query, std::size_t k,
                                const DocumentFilter* filter) const;
  // Cosines of single chunks; 0 for those without a vector of this model.
  std::vector<float> cosines(std::string_view model, std::span<const float> query,
                             std::span<const std::int64_t> keys) const;
  // Mean and standard deviation of the cosines of at most `sample` evenly spaced vectors.
  struct Background {
    float mean = 0;
    float deviation = 0;
    std::size_t sampled = 0;
  };
  Background background(std::string_view model, std::span<const float> query, std::size_t sample) const;

  // Everything, with `seq` and a SHA-256, written beside `path` and renamed over it. Blocks on the disk.
  Status save(const std::filesystem::path& path, std::uint64_t seq) const;
  // Returns the snapshot's seq. Errors: kNotFound, kDamaged (cut, changed or of another version); then empty.
  Result<std::uint64_t> load(const std::filesystem::path& path);

 private:
  struct Shelf;  // the vectors of one model
  struct Place {
    std::uint32_t shelf = 0;
    std::uint32_t position = 0;
  };

  const Shelf* find(std::string_view model, std::size_t dimension) const;
  bool read_shelf(SnapshotReader& in);

  std::vector<std::unique_ptr<Shelf>> shelves_;
  std::unordered_map<std::int64_t, Place> places_;
};

// FAISS parallelises with OpenMP and BLAS; both at once are slower than neither. OpenMP's setting is per
// thread: every thread that searches calls this first.
void use_one_thread_for_math();

}  // namespace answermill::index
