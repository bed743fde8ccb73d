#include "workers/index/vector_index.h"

#include <faiss/IndexFlat.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "workers/index/inner_product.h"
#include "workers/index/snapshot_file.h"

// Present when the BLAS behind FAISS is OpenBLAS.
extern "C" __attribute__((weak)) void openblas_set_num_threads(int threads);

namespace answermill::index {

struct VectorIndex::Shelf {
  Shelf(std::string_view name, std::size_t dimension)
      : model(name), flat(static_cast<faiss::Index::idx_t>(dimension)) {}

  std::size_t dimension() const { return static_cast<std::size_t>(flat.d); }
  const float* vector(std::size_t position) const { return flat.get_xb() + position * dimension(); }

  std::string model;
  faiss::IndexFlatIP flat;
  std::vector<std::int64_t> keys;       // by position
  std::vector<std::int64_t> documents;  // by position
};

namespace {

constexpr std::string_view kMagic{"AMVECTORS 1\n\0\0\0\0", 16};

std::string_view as_bytes(const void* data, std::size_t size) {
  return {static_cast<const char*>(data), size};
}

}  // namespace

void use_one_thread_for_math() {
  omp_set_num_threads(1);
  if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
}

VectorIndex::VectorIndex() = default;
VectorIndex::~VectorIndex() = default;
VectorIndex::VectorIndex(VectorIndex&&) noexcept = default;
VectorIndex& VectorIndex::operator=(VectorIndex&&) noexcept = default;

const VectorIndex::Shelf* VectorIndex::find(std::string_view model, std::size_t dimension) const {
  for (const auto& shelf : shelves_) {
    if (shelf->model == model && shelf->dimension() == dimension) return shelf.get();
  }
  return nullptr;
}

void VectorIndex::add(std::string_view model, std::int64_t key, std::int64_t document,
                      std::span<const float> vector) {
  if (vector.empty()) return;
  remove(key);
  std::size_t number = 0;
  while (number < shelves_.size() &&
         (shelves_[number]->model != model || shelves_[number]->dimension() != vector.size())) {
    ++number;
  }
  if (number == shelves_.size()) shelves_.push_back(std::make_unique<Shelf>(model, vector.size()));
  Shelf& shelf = *shelves_[number];
  shelf.flat.add(1, vector.data());
  shelf.keys.push_back(key);
  shelf.documents.push_back(document);
  places_[key] = {static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(shelf.keys.size() - 1)};
}

// The last vector takes the place of the removed one: FAISS's own remove_ids would move all that follow.
void VectorIndex::remove(std::int64_t key) {
  const auto found = places_.find(key);
  if (found == places_.end()) return;
  const Place place = found->second;
  places_.erase(found);
  Shelf& shelf = *shelves_[place.shelf];
  const std::size_t last = shelf.keys.size() - 1;
  if (place.position != last) {
    std::memcpy(shelf.flat.get_xb() + place.position * shelf.dimension(), shelf.vector(last),
                shelf.dimension() * sizeof(float));
    shelf.keys[place.position] = shelf.keys[last];
    shelf.documents[place.position] = shelf.documents[last];
    places_[shelf.keys[last]].position = place.position;
  }
  shelf.keys.pop_back();
  shelf.documents.pop_back();
  shelf.flat.codes.resize(last * shelf.dimension() * sizeof(float));
  shelf.flat.ntotal = static_cast<faiss::Index::idx_t>(last);
}

void VectorIndex::clear() {
  shelves_.clear();
  places_.clear();
}

std::vector<VectorHit> VectorIndex::search(std::string_view model, std::span<const float> query,
                                           std::size_t k, const DocumentFilter* filter) const {
  const Shelf* shelf = find(model, query.size());
  if (shelf == nullptr || k == 0 || shelf->keys.empty()) return {};
  // The k best so far, the worst of them in front.
  std::vector<VectorHit> hits;
  const auto better = [](const VectorHit& a, const VectorHit& b) { return a.cosine > b.cosine; };
  for (std::size_t position = 0; position < shelf->keys.size(); ++position) {
    if (filter != nullptr && !filter->contains(shelf->documents[position])) continue;
    const float cosine = inner_product(query.data(), shelf->vector(position), query.size());
    if (hits.size() == k) {
      if (cosine <= hits.front().cosine) continue;
      std::pop_heap(hits.begin(), hits.end(), better);
      hits.pop_back();
    }
    hits.push_back({shelf->keys[position], cosine});
    std::push_heap(hits.begin(), hits.end(), better);
  }
  std::sort_heap(hits.begin(), hits.end(), better);
  return hits;
}

std::vector<float> VectorIndex::cosines(std::string_view model, std::span<const float> query,
                                        std::span<const std::int64_t> keys) const {
  std::vector<float> cosines(keys.size(), 0.0F);
  const Shelf* shelf = find(model, query.size());
  if (shelf == nullptr) return cosines;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto found = places_.find(keys[i]);
    if (found == places_.end() || shelves_[found->second.shelf].get() != shelf) continue;
    cosines[i] = inner_product(query.data(), shelf->vector(found->second.position), query.size());
  }
  return cosines;
}

VectorIndex::Background VectorIndex::background(std::string_view model, std::span<const float> query,
                                                std::size_t sample) const {
  Background result;
  const Shelf* shelf = find(model, query.size());
  if (shelf == nullptr || shelf->keys.empty() || sample == 0) return result;
  const std::size_t count = std::min(sample, shelf->keys.size());
  double sum = 0;
  double squares = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t position = i * shelf->keys.size() / count;
    const double cosine = inner_product(query.data(), shelf->vector(position), query.size());
    sum += cosine;
    squares += cosine * cosine;
  }
  const double mean = sum / static_cast<double>(count);
  result.mean = static_cast<float>(mean);
  result.deviation =
      static_cast<float>(std::sqrt(std::max(0.0, squares / static_cast<double>(count) - mean * mean)));
  result.sampled = count;
  return result;
}

// Layout after the magic: seq, number of models; for each: name length, name, dimension, count, keys,
// documents, vectors.
Status VectorIndex::save(const std::filesystem::path& path, std::uint64_t seq) const {
  SnapshotWriter out(path, kMagic);
  out.integer(seq);
  out.integer(shelves_.size());
  for (const auto& shelf : shelves_) {
    out.integer(shelf->model.size());
    out.bytes(shelf->model);
    out.integer(shelf->dimension());
    out.integer(shelf->keys.size());
    out.bytes(as_bytes(shelf->keys.data(), shelf->keys.size() * sizeof(std::int64_t)));
    out.bytes(as_bytes(shelf->documents.data(), shelf->documents.size() * sizeof(std::int64_t)));
    out.bytes(as_bytes(shelf->flat.codes.data(), shelf->flat.codes.size()));
  }
  return out.finish();
}

bool VectorIndex::read_shelf(SnapshotReader& in) {
  constexpr std::uint64_t kMaxModelBytes = 4096;
  constexpr std::uint64_t kMaxDimension = 1U << 16U;
  std::uint64_t name_size = 0;
  std::uint64_t dimension = 0;
  std::uint64_t count = 0;
  if (!in.integer(name_size) || name_size > kMaxModelBytes) return false;
  std::string name(name_size, '\0');
  if (!in.bytes(name.data(), name.size()) || !in.integer(dimension) || !in.integer(count)) return false;
  if (dimension == 0 || dimension > kMaxDimension || count > in.remaining() / (dimension * sizeof(float)))
    return false;
  auto shelf = std::make_unique<Shelf>(name, dimension);
  shelf->keys.resize(count);
  shelf->documents.resize(count);
  shelf->flat.codes.resize(count * dimension * sizeof(float));
  shelf->flat.ntotal = static_cast<faiss::Index::idx_t>(count);
  if (!in.bytes(reinterpret_cast<char*>(shelf->keys.data()), count * sizeof(std::int64_t)) ||
      !in.bytes(reinterpret_cast<char*>(shelf->documents.data()), count * sizeof(std::int64_t)) ||
      !in.bytes(reinterpret_cast<char*>(shelf->flat.codes.data()), shelf->flat.codes.size())) {
    return false;
  }
  for (std::size_t i = 0; i < count; ++i) {
    places_[shelf->keys[i]] = {static_cast<std::uint32_t>(shelves_.size()), static_cast<std::uint32_t>(i)};
  }
  shelves_.push_back(std::move(shelf));
  return true;
}

Result<std::uint64_t> VectorIndex::load(const std::filesystem::path& path) {
  clear();
  SnapshotReader in(path, kMagic);
  std::uint64_t seq = 0;
  std::uint64_t models = 0;
  if (in.integer(seq) && in.integer(models)) {
    while (models > 0 && read_shelf(in)) --models;
  }
  if (auto whole = in.finish(); !whole) {
    clear();
    return whole.error();
  }
  return seq;
}

}  // namespace answermill::index
