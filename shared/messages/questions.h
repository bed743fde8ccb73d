// Payloads of a question: embed/query → index/search → generate/answer, and of what else reads the index.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace answermill::messages {

struct Turn {
  std::string role;  // "user" or "assistant"
  std::string text;

  auto tie() { return std::tie(role, text); }
};

// What to do with the passages found.
struct AnswerRequest {
  std::string question;
  std::vector<Turn> history;     // earlier turns of the conversation, oldest first
  std::string model;             // empty: as configured
  double temperature = -1;       // negative: as configured
  std::uint32_t max_tokens = 0;  // 0: as configured
  std::string conversation;
  std::string instructions;  // of the client, on form and tone; empty: none

  auto tie() {
    return std::tie(question, history, model, temperature, max_tokens, conversation, instructions);
  }
};

// Parameters of a search; it answers with a SearchResult (kResult event), or hands on to generate/answer.
struct SearchRequest {
  std::string collection;
  std::string query;
  std::uint32_t k = 8;
  double max_distance = 1.0;           // passages farther away are dropped; distances are calibrated to 0…1
  std::vector<std::string> documents;  // empty: all
  std::optional<AnswerRequest> answer;

  auto tie() { return std::tie(collection, query, k, max_distance, documents, answer); }
};

// embed/query
struct EmbedQuery {
  SearchRequest search;

  auto tie() { return std::tie(search); }
};

// embed/texts: vectors for their own sake, as a kResult event with EmbeddedTexts
struct EmbedTexts {
  std::vector<std::string> texts;
  bool query = false;  // else passages

  auto tie() { return std::tie(texts, query); }
};

struct EmbeddedTexts {
  std::string model;
  std::uint32_t dimension = 0;
  std::string vectors;  // little-endian float32, texts × dimension

  auto tie() { return std::tie(model, dimension, vectors); }
};

// index/search. Routing key: the collection.
struct IndexSearch {
  SearchRequest search;
  std::string model;
  std::uint32_t dimension = 0;
  std::string vector;  // little-endian float32

  auto tie() { return std::tie(search, model, dimension, vector); }
};

struct Passage {
  std::uint32_t number = 0;  // as cited: [1], [2] …
  std::string chunk;
  std::string document;
  std::string document_name;
  std::string collection;
  std::string material_id;
  std::uint32_t page = 0;
  std::uint32_t ordinal = 0;
  std::uint32_t begin = 0;  // code points of the page's text
  std::uint32_t end = 0;
  std::string heading;
  std::string type;
  std::string text;
  double score = 0;     // 1 − distance
  double distance = 1;  // calibrated per backend, 0…1

  auto tie() {
    return std::tie(number, chunk, document, document_name, collection, material_id, page, ordinal, begin,
                    end, heading, type, text, score, distance);
  }
};

// How much of the collection a search could see.
struct Coverage {
  std::uint64_t pages = 0;
  std::uint64_t total_pages = 0;
  std::uint64_t documents = 0;
  std::uint64_t chunks = 0;

  auto tie() { return std::tie(pages, total_pages, documents, chunks); }
};

// Data of a kSources event, and of the kResult event of a plain search.
struct SourcesEvent {
  std::vector<Passage> passages;
  Coverage coverage;
  std::uint32_t candidates = 0;  // retrieved before the threshold

  auto tie() { return std::tie(passages, coverage, candidates); }
};

// generate/answer
struct GenerateAnswer {
  AnswerRequest request;
  SourcesEvent sources;
  std::string collection;

  auto tie() { return std::tie(request, sources, collection); }
};

// Data of a kCitation event: the mark "[n]" at text_begin…text_end (bytes of the answer) cites this span.
struct CitationEvent {
  std::uint32_t number = 0;
  std::uint64_t text_begin = 0;
  std::uint64_t text_end = 0;
  std::string document;
  std::uint32_t page = 0;
  std::uint32_t begin = 0;  // code points of the page's text
  std::uint32_t end = 0;
  bool exact = false;  // the answer quotes these very characters

  auto tie() { return std::tie(number, text_begin, text_end, document, page, begin, end, exact); }
};

struct AnswerMeta {
  std::string mode;  // "quoting", "model" or "nothing_found"
  std::string model;
  std::uint64_t input_tokens = 0;
  std::uint64_t output_tokens = 0;
  bool tokens_measured = false;  // true when the provider counted them
  double cost_usd = 0;
  double input_cost_per_1k = 0;
  double output_cost_per_1k = 0;
  double first_token_ms = 0;
  double total_ms = 0;
  std::string finish_reason;

  auto tie() {
    return std::tie(mode, model, input_tokens, output_tokens, tokens_measured, cost_usd, input_cost_per_1k,
                    output_cost_per_1k, first_token_ms, total_ms, finish_reason);
  }
};

// index/page: one page's text, as a kResult event with PageText
struct ReadPage {
  std::string collection;
  std::string document;
  std::uint32_t page = 1;

  auto tie() { return std::tie(collection, document, page); }
};

struct PageText {
  bool found = false;
  std::string document;
  std::string document_name;
  std::uint32_t page = 0;
  std::uint32_t total_pages = 0;
  std::string text;

  auto tie() { return std::tie(found, document, document_name, page, total_pages, text); }
};

// record/answer: a stream's completion; the attachment is its StreamState
struct RecordAnswer {
  std::string conversation;
  std::string collection;
  std::string question;
  std::string stream;
  std::int64_t asked_at_ms = 0;  // Unix time

  auto tie() { return std::tie(conversation, collection, question, stream, asked_at_ms); }
};

}  // namespace answermill::messages
