// What reads: all of ChunkReader, and the totals of ChunkStore.
#include "workers/index/chunk_store.h"

namespace answermill::index {
namespace {

// "?,?,?" for an IN clause.
std::string places(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += i == 0 ? "?" : ",?";
  return text;
}

}  // namespace

Result<std::uint64_t> ChunkStore::count_chunks() {
  auto query = database_.prepare("SELECT coalesce(sum(chunks), 0) FROM documents");
  if (!query) return query.error();
  if (auto row = query->step(); !row) return row.error();
  return static_cast<std::uint64_t>(query->integer(0));
}

Result<std::vector<std::string>> ChunkStore::languages() {
  auto query = database_.prepare("SELECT language, count(*) FROM chunks GROUP BY language ORDER BY 2 DESC");
  if (!query) return query.error();
  std::vector<std::string> names;
  while (true) {
    auto row = query->step();
    if (!row) return row.error();
    if (!*row) return names;
    names.push_back(query->text(0));
  }
}

Result<ChunkReader> ChunkReader::open(const std::filesystem::path& path) {
  auto database = store::Database::open(path.string(), store::Synchronous::kFull);
  if (!database) return database.error();
  ChunkReader reader;
  reader.database_ = std::move(*database);
  auto passage = reader.database_.prepare(
      "SELECT c.id, d.id, d.name, d.material_id, c.page, c.ordinal, c.begin, c.end, c.heading, c.type, "
      "c.text "
      "FROM chunks c JOIN documents d ON d.number = c.document WHERE c.key = ?1");
  if (!passage) return passage.error();
  reader.passage_ = std::move(*passage);
  return reader;
}

Result<bool> ChunkReader::passage(std::int64_t key, messages::Passage& out) {
  auto row = passage_.bind(1, key).step();
  if (!row || !*row) return row;
  const auto number = [this](int column) { return static_cast<std::uint32_t>(passage_.integer(column)); };
  out.chunk = passage_.text(0);
  out.document = passage_.text(1);
  out.document_name = passage_.text(2);
  out.material_id = passage_.text(3);
  out.page = number(4);
  out.ordinal = number(5);
  out.begin = number(6);
  out.end = number(7);
  out.heading = passage_.text(8);
  out.type = passage_.text(9);
  out.text = passage_.text(10);
  passage_.reset();
  return true;
}

Result<messages::Coverage> ChunkReader::coverage(std::span<const std::string> documents) {
  std::string sql =
      "SELECT coalesce(sum(pages), 0), coalesce(sum(max(pages, total_pages)), 0), count(*), "
      "coalesce(sum(chunks), 0) "
      "FROM documents";
  if (!documents.empty()) sql += " WHERE id IN (" + places(documents.size()) + ")";
  auto query = database_.prepare(sql);
  if (!query) return query.error();
  for (std::size_t i = 0; i < documents.size(); ++i) query->bind(static_cast<int>(i) + 1, documents[i]);
  if (auto row = query->step(); !row) return row.error();
  const auto number = [&](int column) { return static_cast<std::uint64_t>(query->integer(column)); };
  return messages::Coverage{number(0), number(1), number(2), number(3)};
}

Result<std::vector<std::int64_t>> ChunkReader::numbers_of(std::span<const std::string> documents) {
  std::vector<std::int64_t> numbers;
  auto query = database_.prepare("SELECT number FROM documents WHERE id = ?1");
  if (!query) return query.error();
  for (const std::string& id : documents) {
    auto row = query->bind(1, id).step();
    if (!row) return row.error();
    if (*row) numbers.push_back(query->integer(0));
    query->reset();
  }
  return numbers;
}

Result<messages::PageText> ChunkReader::page(const std::string& document, std::uint32_t page) {
  auto query = database_.prepare(
      "SELECT d.name, d.total_pages, p.text FROM documents d LEFT JOIN pages p ON p.document = d.number AND "
      "p.page = ?2 WHERE d.id = ?1");
  if (!query) return query.error();
  auto row = query->bind(1, document).bind(2, std::int64_t{page}).step();
  if (!row) return row.error();
  messages::PageText text;
  text.document = document;
  text.page = page;
  if (!*row) return text;
  text.document_name = query->text(0);
  text.total_pages = static_cast<std::uint32_t>(query->integer(1));
  text.found = !query->is_null(2);
  if (text.found) text.text = query->text(2);
  return text;
}

}  // namespace answermill::index
