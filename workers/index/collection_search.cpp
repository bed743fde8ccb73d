#include <algorithm>
#include <unordered_set>

#include "workers/index/collection.h"

namespace answermill::index {
namespace {

constexpr std::size_t kFewestCandidates = 60;
constexpr std::size_t kCandidatesPerPassage = 6;
constexpr std::size_t kSpreadSample = 512;
constexpr std::uint32_t kMostPassages = 100;

std::span<const float> floats_of(std::string_view bytes) {
  return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
}

}  // namespace

Result<std::unique_ptr<Collection::Reader>> Collection::take_reader() {
  std::uint64_t generation = 0;
  {
    const std::lock_guard lock(readers_mutex_);
    generation = readers_generation_;
    if (!readers_.empty()) {
      auto reader = std::move(readers_.back());
      readers_.pop_back();
      if (auto fresh = reader->words.refresh(); fresh) return reader;
    }
  }
  auto chunks = ChunkReader::open(folder_ / "chunks.sqlite");
  if (!chunks) return chunks.error();
  auto words = WordReader::open(words_folder_);
  if (!words) return words.error();
  return std::make_unique<Reader>(Reader{std::move(*chunks), std::move(*words), generation});
}

void Collection::give_back(std::unique_ptr<Reader> reader) {
  constexpr std::size_t kIdleReaders = 4;
  const std::lock_guard lock(readers_mutex_);
  if (reader->generation == readers_generation_ && readers_.size() < kIdleReaders)
    readers_.push_back(std::move(reader));
}

std::vector<std::string> Collection::languages() const {
  const std::shared_lock lock(vectors_mutex_);
  return languages_;
}

Result<std::vector<Ranked>> Collection::find(const messages::IndexSearch& request, Reader& reader,
                                             const DocumentFilter* filter) {
  const messages::SearchRequest& search = request.search;
  const std::size_t limit = std::max(kFewestCandidates, kCandidatesPerPassage * search.k);
  const auto words =
      words_of_conversation(search.query,
                            search.answer ? std::span<const messages::Turn>(search.answer->history)
                                          : std::span<const messages::Turn>(),
                            languages());
  auto keys = reader.words.search(words, limit, filter);
  if (!keys) return keys.error();
  auto rarity = reader.words.rarity(words);
  if (!rarity) return rarity.error();

  const std::span<const float> query = floats_of(request.vector);
  CosineSpread spread;
  std::vector<float> cosines;
  {
    const std::shared_lock lock(vectors_mutex_);
    std::unordered_set<std::int64_t> known(keys->begin(), keys->end());
    for (const VectorHit& hit : vectors_.search(request.model, query, limit, filter)) {
      if (known.insert(hit.key).second) keys->push_back(hit.key);
    }
    const auto background = vectors_.background(request.model, query, kSpreadSample);
    spread = {background.mean, background.deviation, background.sampled};
    cosines = vectors_.cosines(request.model, query, *keys);
  }
  auto matches = reader.words.match(words, *rarity, *keys);
  if (!matches) return matches.error();
  std::vector<Candidate> candidates(keys->size());
  for (std::size_t i = 0; i < keys->size(); ++i) {
    candidates[i].key = (*keys)[i];
    candidates[i].cosine = cosines[i];
    candidates[i].embedded = spread.sampled > 0;
    apply_match((*matches)[i], words, *rarity, candidates[i]);
  }
  return rank(candidates, spread, request.model);
}

// The best passages within the distance, without those that mostly repeat a better one of the same page.
Result<std::vector<messages::Passage>> Collection::choose(const messages::SearchRequest& search,
                                                          std::span<const Ranked> ranked,
                                                          Reader& reader) const {
  std::vector<messages::Passage> passages;
  const std::uint32_t most = std::min(search.k, kMostPassages);
  for (const Ranked& hit : ranked) {
    if (passages.size() >= most) break;
    if (hit.distance > search.max_distance) continue;
    messages::Passage passage;
    auto there = reader.chunks.passage(hit.key, passage);
    if (!there) return there.error();
    if (!*there) continue;
    const bool repeats = std::any_of(passages.begin(), passages.end(), [&](const messages::Passage& better) {
      return better.document == passage.document && better.page == passage.page &&
             overlaps(better.begin, better.end, passage.begin, passage.end);
    });
    if (repeats) continue;
    passage.number = static_cast<std::uint32_t>(passages.size()) + 1;
    passage.collection = name_;
    passage.distance = hit.distance;
    passage.score = 1 - hit.distance;
    passages.push_back(std::move(passage));
  }
  return passages;
}

Result<messages::SourcesEvent> Collection::search(const messages::IndexSearch& request,
                                                  std::uint64_t owner_epoch) {
  constexpr int kAttempts = 2;  // a damaged word index is rebuilt and asked once more
  for (int attempt = 1;; ++attempt) {
    if (owner_epoch > epoch_ || stale_) {
      const std::lock_guard lock(write_mutex_);
      if (auto ready = repair_if_stale(); !ready) return ready.error();
      if (auto ready = follow_epoch(owner_epoch); !ready) return ready.error();
    }
    auto found = search_once(request);
    if (found || found.error().code != ErrorCode::kDamaged || attempt == kAttempts) return found;
    stale_ = true;
  }
}

Result<messages::SourcesEvent> Collection::search_once(const messages::IndexSearch& request) {
  auto reader = take_reader();
  if (!reader) return reader.error();
  const messages::SearchRequest& search = request.search;
  messages::SourcesEvent sources;
  auto coverage = (*reader)->chunks.coverage(search.documents);
  if (!coverage) return coverage.error();
  sources.coverage = *coverage;
  if (coverage->chunks > 0) {
    DocumentFilter filter;
    if (!search.documents.empty()) {
      auto numbers = (*reader)->chunks.numbers_of(search.documents);
      if (!numbers) return numbers.error();
      filter.insert(numbers->begin(), numbers->end());
    }
    auto ranked = find(request, **reader, search.documents.empty() ? nullptr : &filter);
    if (!ranked) return ranked.error();
    sources.candidates = static_cast<std::uint32_t>(ranked->size());
    auto passages = choose(search, *ranked, **reader);
    if (!passages) return passages.error();
    sources.passages = std::move(*passages);
  }
  give_back(std::move(*reader));
  return sources;
}

Result<messages::PageText> Collection::page(const messages::ReadPage& request) {
  auto reader = take_reader();
  if (!reader) return reader.error();
  auto text = (*reader)->chunks.page(request.document, request.page);
  if (text) give_back(std::move(*reader));
  return text;
}

}  // namespace answermill::index
