#include "workers/embed/ops.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include "shared/messages/codec.h"
#include "shared/text/utf8.h"
#include "shared/text/words.h"

namespace answermill::embed {
namespace {

constexpr std::size_t kMaxVectorBytes = std::size_t{2} << 20U;

std::string little_endian(const float* numbers, std::size_t count) {
  std::string bytes(count * sizeof(float), '\0');
  if constexpr (std::endian::native == std::endian::little) {
    if (count > 0) std::memcpy(bytes.data(), numbers, bytes.size());
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      const auto bits = std::bit_cast<std::uint32_t>(numbers[i]);
      for (std::size_t b = 0; b < 4; ++b) bytes[i * 4 + b] = static_cast<char>(bits >> (8 * b));
    }
  }
  return bytes;
}

// How many words say what a question is about.
std::size_t telling_words(std::string_view question) {
  std::size_t count = 0;
  text::WordReader reader(question);
  text::Word word;
  while (reader.next(word)) {
    if (!text::is_common_word(word.folded)) ++count;
  }
  return count;
}

}  // namespace

std::vector<std::string> texts_of(const messages::EmbedChunks& chunks) {
  std::vector<std::string> texts;
  texts.reserve(chunks.chunks.size());
  for (const messages::Chunk& chunk : chunks.chunks) {
    texts.push_back(chunk.heading.empty() ? chunk.text : chunk.heading + "\n" + chunk.text);
  }
  return texts;
}

std::string query_text(const messages::SearchRequest& search) {
  constexpr std::size_t kEnoughWords = 4;
  constexpr std::size_t kMaxContextBytes = 1000;
  if (!search.answer || telling_words(search.query) >= kEnoughWords) return search.query;
  const auto& history = search.answer->history;
  const auto before = std::find_if(history.rbegin(), history.rend(),
                                   [](const messages::Turn& turn) { return turn.role == "user"; });
  if (before == history.rend() || before->text.empty()) return search.query;
  const std::string_view context = before->text;
  return std::string(context.substr(0, text::floor_boundary(context, kMaxContextBytes))) + "\n" +
         search.query;
}

messages::Outcome after_chunks(const messages::JobSpec& spec, messages::EmbedChunks chunks,
                               const std::string& model, const std::vector<float>& vectors) {
  messages::Outcome outcome;
  const std::size_t count = chunks.chunks.size();
  const std::size_t dimension = count > 0 ? vectors.size() / count : 0;
  const std::size_t step =
      std::max<std::size_t>(1, kMaxVectorBytes / std::max<std::size_t>(dimension * 4, 1));
  std::size_t first = 0;
  do {
    const std::size_t size = std::min(step, count - first);
    const bool last = first + size == count;
    messages::IndexUpsert upsert;
    upsert.document = chunks.document;
    upsert.total_pages = chunks.total_pages;
    if (last) upsert.pages = std::move(chunks.pages);
    const auto begin = chunks.chunks.begin() + static_cast<std::ptrdiff_t>(first);
    upsert.chunks.assign(begin, begin + static_cast<std::ptrdiff_t>(size));
    upsert.model = model;
    upsert.dimension = static_cast<std::uint32_t>(dimension);
    upsert.vectors = little_endian(vectors.data() + first * dimension, size * dimension);
    messages::JobSpec next;
    next.stage = "index";
    next.op = "upsert";
    next.routing_key = chunks.document.collection;
    next.units = last ? spec.units : 0;
    next.payload = messages::encode(upsert);
    outcome.followups.push_back(std::move(next));
    first += size;
  } while (first < count);
  return outcome;
}

messages::Outcome after_query(messages::EmbedQuery query, std::string text, const std::string& model,
                              const std::vector<float>& vector) {
  messages::IndexSearch search;
  search.search = std::move(query.search);
  search.search.query = std::move(text);
  search.model = model;
  search.dimension = static_cast<std::uint32_t>(vector.size());
  search.vector = little_endian(vector.data(), vector.size());
  messages::Outcome outcome;
  if (search.search.answer) {
    const messages::StatusEvent status{"index", "Searching the documents"};
    outcome.events.push_back({0, 0, messages::StreamEventKind::kStatus, 0, messages::encode(status)});
  }
  messages::JobSpec next;
  next.stage = "index";
  next.op = "search";
  next.routing_key = search.search.collection;
  next.payload = messages::encode(search);
  outcome.followups.push_back(std::move(next));
  return outcome;
}

messages::Outcome after_texts(std::size_t count, const std::string& model,
                              const std::vector<float>& vectors) {
  messages::EmbeddedTexts made;
  made.model = model;
  made.dimension = static_cast<std::uint32_t>(count > 0 ? vectors.size() / count : 0);
  made.vectors = little_endian(vectors.data(), vectors.size());
  messages::Outcome outcome;
  outcome.events.push_back({0, 0, messages::StreamEventKind::kResult, 0, messages::encode(made)});
  outcome.ends_stream = true;
  return outcome;
}

}  // namespace answermill::embed
