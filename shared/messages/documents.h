// Payloads of ingest: a document becomes pages, pages become chunks, chunks get vectors, the index stores
// them.
//
// Ops: extract/plan → extract/pages ×N → embed/chunks → index/upsert; then record/document (group
// completion). Removal: index/delete → record/delete.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

namespace answermill::messages {

struct DocumentRef {
  std::string id;
  std::uint32_t generation = 1;  // grows with every retry; tombstones and upserts compare it
  std::string collection;
  std::string name;
  std::string blob;  // SHA-256 hex of the bytes
  std::uint64_t size = 0;
  std::string material_id;

  auto tie() { return std::tie(id, generation, collection, name, blob, size, material_id); }
};

// extract/plan
struct ExtractPlan {
  DocumentRef document;

  auto tie() { return std::tie(document); }
};

// extract/pages. Page numbers start at 1.
struct ExtractPages {
  DocumentRef document;
  std::string format;  // "pdf", "text", "markdown"
  std::uint32_t first_page = 1;
  std::uint32_t page_count = 0;
  std::uint32_t total_pages = 0;
  std::string encoding;          // text formats: of the source bytes
  std::uint64_t byte_begin = 0;  // text formats: the pages' range of the source bytes
  std::uint64_t byte_end = 0;

  auto tie() {
    return std::tie(document, format, first_page, page_count, total_pages, encoding, byte_begin, byte_end);
  }
};

// Character ranges count code points of the page's text, end exclusive.
struct Chunk {
  std::string id;  // "<document>.<page>.<ordinal>"
  std::uint32_t page = 0;
  std::uint32_t ordinal = 0;  // starts at 1 within the page: page 61, ordinal 3 is "61.3"
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::string heading;
  std::string type;  // "paragraph", "heading", "list", "table"
  std::string text;

  auto tie() { return std::tie(id, page, ordinal, begin, end, heading, type, text); }
};

struct Page {
  std::uint32_t number = 0;
  std::string text;

  auto tie() { return std::tie(number, text); }
};

// embed/chunks. The pages whose text travels with it become readable when its chunks become searchable.
struct EmbedChunks {
  DocumentRef document;
  std::uint32_t total_pages = 0;
  std::vector<Page> pages;
  std::vector<Chunk> chunks;

  auto tie() { return std::tie(document, total_pages, pages, chunks); }
};

// index/upsert. Routing key: the collection.
struct IndexUpsert {
  DocumentRef document;
  std::uint32_t total_pages = 0;
  std::vector<Page> pages;
  std::vector<Chunk> chunks;
  std::string model;  // id of the embedding model
  std::uint32_t dimension = 0;
  std::string vectors;  // little-endian float32, chunks.size() × dimension, row-major, unit length

  auto tie() { return std::tie(document, total_pages, pages, chunks, model, dimension, vectors); }
};

// index/delete
struct IndexDelete {
  DocumentRef document;
  std::vector<std::string> groups;  // cancelled once the tombstone stands

  auto tie() { return std::tie(document, groups); }
};

// index/drop: a whole collection
struct IndexDrop {
  std::string collection;
  std::vector<std::string> groups;

  auto tie() { return std::tie(collection, groups); }
};

// record/document: the group's completion; the attachment is its GroupProgress
struct RecordDocument {
  DocumentRef document;

  auto tie() { return std::tie(document); }
};

// record/delete
struct RecordDelete {
  DocumentRef document;

  auto tie() { return std::tie(document); }
};

// record/drop
struct RecordDrop {
  std::string collection;

  auto tie() { return std::tie(collection); }
};

// Names of the group counters that extraction adds up.
inline constexpr char kCounterCharacters[] = "characters";
inline constexpr char kCounterPagesWithoutText[] = "pages_without_text";
inline constexpr char kCounterChunks[] = "chunks";

}  // namespace answermill::messages
