// A temporary folder and small documents for the index's tests.
#pragma once

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "shared/messages/documents.h"
#include "shared/messages/questions.h"

namespace answermill::index {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "answermill-index-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline constexpr std::uint32_t kDimension = 64;

// A text's longer words hashed into a unit vector: deterministic, and texts that share words are near.
inline std::string vector_of(const std::string& text) {
  std::vector<float> vector(kDimension, 0.01F);
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (word.size() > 3) vector[std::hash<std::string>()(word) % kDimension] += 1;
  }
  float squares = 0;
  for (const float value : vector) squares += value * value;
  for (float& value : vector) value /= std::sqrt(squares);
  std::string bytes(kDimension * sizeof(float), '\0');
  std::memcpy(bytes.data(), vector.data(), bytes.size());
  return bytes;
}

// One page of one document with one chunk for each text.
inline messages::IndexUpsert upsert_of(const std::string& document, std::uint32_t page,
                                       const std::vector<std::string>& texts, std::uint32_t generation = 1,
                                       const std::string& model = "builtin-test") {
  messages::IndexUpsert upsert;
  upsert.document.id = document;
  upsert.document.generation = generation;
  upsert.document.collection = "c";
  upsert.document.name = document + ".txt";
  upsert.total_pages = 10;
  upsert.model = model;
  upsert.dimension = kDimension;
  messages::Page whole{page, ""};
  std::uint32_t begin = 0;
  for (const std::string& text : texts) {
    messages::Chunk chunk;
    chunk.page = page;
    chunk.ordinal = static_cast<std::uint32_t>(upsert.chunks.size()) + 1;
    chunk.id = document + "." + std::to_string(page) + "." + std::to_string(chunk.ordinal);
    chunk.begin = begin;
    chunk.end = begin + static_cast<std::uint32_t>(text.size());
    begin = chunk.end + 1;
    chunk.type = "paragraph";
    chunk.text = text;
    upsert.vectors += vector_of(text);
    upsert.chunks.push_back(std::move(chunk));
    whole.text += text + "\n";
  }
  upsert.pages.push_back(std::move(whole));
  return upsert;
}

inline messages::IndexSearch search_of(const std::string& query, std::uint32_t k = 8,
                                       double max_distance = 1) {
  messages::IndexSearch search;
  search.search.collection = "c";
  search.search.query = query;
  search.search.k = k;
  search.search.max_distance = max_distance;
  search.model = "builtin-test";
  search.dimension = kDimension;
  search.vector = vector_of(query);
  return search;
}

inline messages::IndexDelete delete_of(const std::string& document, std::uint32_t generation = 1) {
  messages::IndexDelete request;
  request.document.id = document;
  request.document.generation = generation;
  request.document.collection = "c";
  return request;
}

}  // namespace answermill::index
