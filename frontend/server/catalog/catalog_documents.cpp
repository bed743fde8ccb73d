// The catalog's documents.
#include "frontend/server/catalog/catalog.h"
#include "frontend/server/catalog/query.h"

namespace answermill::frontend {
namespace {

constexpr std::string_view kSelectDocuments =
    "SELECT id, name, collection, blob, type, material_id, size, generation, state, error_code, "
    "error_message, pages,"
    " pages_extracted, pages_embedded, pages_searchable, pages_failed, chunks, created_ms, finished_ms"
    " FROM documents ";

DocumentRow read_document(const store::Statement& row) {
  const auto number = [&row](int column) { return static_cast<std::uint64_t>(row.integer(column)); };
  DocumentRow document;
  document.id = row.text(0);
  document.name = row.text(1);
  document.collection = row.text(2);
  document.blob = row.text(3);
  document.type = row.text(4);
  document.material_id = row.text(5);
  document.size = number(6);
  document.generation = static_cast<std::uint32_t>(number(7));
  document.state = static_cast<DocumentState>(number(8));
  document.error = {static_cast<ErrorCode>(number(9)), row.text(10)};
  document.pages = {number(11), number(12), number(13), number(14), number(15)};
  document.chunks = number(16);
  document.created_ms = row.integer(17);
  document.finished_ms = row.integer(18);
  return document;
}

}  // namespace

Error no_document() { return {ErrorCode::kNotFound, "There is no document with this id."}; }

Result<std::vector<DocumentRow>> Catalog::select_documents(std::string_view where,
                                                           std::string_view argument) {
  auto statement =
      database_.prepare(std::string(kSelectDocuments) + std::string(where) + " ORDER BY number DESC");
  if (!statement) return statement.error();
  if (where.find('?') != std::string_view::npos) statement->bind(1, argument);
  std::vector<DocumentRow> rows;
  while (true) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row) break;
    rows.push_back(read_document(*statement));
  }
  for (auto& row : rows) {
    if (auto loaded = load_warnings(row); !loaded) return loaded.error();
  }
  return rows;
}

Status Catalog::load_warnings(DocumentRow& document) {
  if (document.pages.failed == 0) return {};
  auto statement = sql::query(
      database_, "SELECT page, code, message FROM warnings WHERE document = ? ORDER BY rowid", document.id);
  if (!statement) return statement.error();
  while (true) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row) return {};
    const auto page = static_cast<std::uint32_t>(statement->integer(0));
    const auto code = static_cast<ErrorCode>(statement->integer(1));
    std::string message = statement->text(2);
    auto& all = document.warnings;
    if (all.empty() || all.back().code != code || all.back().message != message) {
      all.push_back({{}, code, std::move(message)});
    }
    all.back().pages.push_back(page);
  }
}

Status Catalog::insert_document(const DocumentRow& row) {
  auto transaction = store::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (auto made = ensure_collection(row.collection, row.created_ms); !made) return made;
  auto collection_row = collection(row.collection);
  if (!collection_row) return collection_row.error();
  if (!collection_row->drop.empty()) {
    return Error{ErrorCode::kConflict, "This collection is being deleted."};
  }
  // A delete of the last document with the same bytes may have run since they were stored; both happen under
  // the database's write lock, so what is here now stays.
  if (!row.blob.empty()) {
    if (auto bytes = blobs_.open(row.blob); !bytes) {
      return Error{ErrorCode::kConflict, "The same file was deleted at this moment: upload it again."};
    }
  }
  auto inserted =
      sql::run(database_,
               "INSERT INTO documents(id, name, collection, blob, type, material_id, size, generation, "
               "state, error_code,"
               " error_message, created_ms, finished_ms) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
               row.id, row.name, row.collection, row.blob, row.type, row.material_id, row.size,
               row.generation, row.state, row.error.code, row.error.message, row.created_ms, row.finished_ms);
  if (!inserted) return inserted;
  return transaction->commit();
}

Result<DocumentRow> Catalog::document(std::string_view id) {
  auto rows = select_documents("WHERE id = ?", id);
  if (!rows) return rows.error();
  if (rows->empty()) return no_document();
  return std::move(rows->front());
}

Result<std::vector<DocumentRow>> Catalog::documents(const std::optional<std::string>& collection) {
  return collection ? select_documents("WHERE collection = ?", *collection) : select_documents("", {});
}

Result<std::vector<DocumentRow>> Catalog::unsettled_documents() {
  return select_documents("WHERE state IN (0, 1, 4)", {});
}

Result<DocumentCounts> Catalog::count_documents() {
  auto statement = database_.prepare("SELECT state, COUNT(*) FROM documents GROUP BY state");
  if (!statement) return statement.error();
  DocumentCounts counts;
  while (true) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row) return counts;
    const auto count = static_cast<std::uint64_t>(statement->integer(1));
    switch (static_cast<DocumentState>(statement->integer(0))) {
      case DocumentState::kQueued:
        counts.queued = count;
        break;
      case DocumentState::kProcessing:
        counts.processing = count;
        break;
      case DocumentState::kReady:
        counts.ready = count;
        break;
      case DocumentState::kFailed:
        counts.failed = count;
        break;
      case DocumentState::kDeleting:
        break;  // on its way out
    }
  }
}

Status Catalog::finish_document(std::string_view id, std::uint32_t generation, const DocumentOutcome& outcome,
                                std::int64_t now_ms) {
  auto transaction = store::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto updated = sql::run(
      database_,
      "UPDATE documents SET state = ?, error_code = ?, error_message = ?, pages = ?, pages_extracted = ?,"
      " pages_embedded = ?, pages_searchable = ?, pages_failed = ?, chunks = ?, finished_ms = ?"
      " WHERE id = ? AND generation = ? AND state IN (0, 1)",
      outcome.state, outcome.error.code, outcome.error.message, outcome.pages.total, outcome.pages.extracted,
      outcome.pages.embedded, outcome.pages.searchable, outcome.pages.failed, outcome.chunks, now_ms, id,
      generation);
  if (!updated) return updated;
  if (database_.changes() == 0) return {};
  if (auto cleared = sql::run(database_, "DELETE FROM warnings WHERE document = ?", id); !cleared)
    return cleared;
  for (const auto& warning : outcome.warnings) {
    for (const auto page : warning.pages) {
      auto noted =
          sql::run(database_, "INSERT INTO warnings(document, page, code, message) VALUES(?, ?, ?, ?)", id,
                   page, warning.code, warning.message);
      if (!noted) return noted;
    }
  }
  return transaction->commit();
}

Result<DocumentRow> Catalog::retry_document(std::string_view id) {
  auto transaction = store::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto row = document(id);
  if (!row) return row;
  if (!row->settled()) return Error{ErrorCode::kConflict, "This document is being worked on."};
  if (row->blob.empty()) {
    return Error{ErrorCode::kConflict, "The bytes of this file were not kept: upload it again."};
  }
  auto updated = sql::run(database_,
                          "UPDATE documents SET state = 0, generation = generation + 1, error_code = 0,"
                          " error_message = '', pages = 0, pages_extracted = 0, pages_embedded = 0,"
                          " pages_searchable = 0, pages_failed = 0, chunks = 0, finished_ms = 0 WHERE id = ?",
                          id);
  if (updated) updated = sql::run(database_, "DELETE FROM warnings WHERE document = ?", id);
  if (!updated) return updated.error();
  row = document(id);
  if (auto committed = transaction->commit(); !committed) return committed.error();
  return row;
}

Result<DocumentRow> Catalog::begin_delete(std::string_view id) {
  auto transaction = store::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto row = document(id);
  if (!row) return row;
  if (row->state == DocumentState::kDeleting) return row;
  // A generation of its own: the tombstone then covers every earlier one, and a deletion that failed can be
  // tried again under a new name.
  auto updated =
      sql::run(database_, "UPDATE documents SET state = 4, generation = generation + 1 WHERE id = ?", id);
  if (!updated) return updated.error();
  row = document(id);
  if (auto committed = transaction->commit(); !committed) return committed.error();
  return row;
}

Status Catalog::fail_delete(std::string_view id, std::uint32_t generation, const Error& error,
                            std::int64_t now_ms) {
  return sql::run(database_,
                  "UPDATE documents SET state = 3, error_code = ?, error_message = ?, finished_ms = ?"
                  " WHERE id = ? AND generation = ? AND state = 4",
                  error.code, error.message, now_ms, id, generation);
}

Status Catalog::finish_delete(std::string_view id) {
  auto transaction = store::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto row = document(id);
  if (!row) return row.error().code == ErrorCode::kNotFound ? Status{} : Status{row.error()};
  if (row->state != DocumentState::kDeleting) return {};
  if (auto gone = sql::run(database_, "DELETE FROM documents WHERE id = ?", id); !gone) return gone;
  if (auto removed = remove_blob_if_unused(row->blob); !removed) return removed;
  return transaction->commit();
}

Status Catalog::remove_blob_if_unused(const std::string& blob) {
  if (blob.empty()) return {};
  auto users = sql::query(database_, "SELECT COUNT(*) FROM documents WHERE blob = ?", blob);
  if (!users) return users.error();
  auto row = users->step();
  if (!row) return row.error();
  if (users->integer(0) > 0) return {};
  return blobs_.remove(blob);
}

}  // namespace answermill::frontend
