// The catalog's conversations, questions and answers.
#include <algorithm>

#include "frontend/server/catalog/catalog.h"
#include "frontend/server/catalog/query.h"
#include "shared/base/ids.h"
#include "shared/base/sha256.h"
#include "shared/messages/codec.h"
#include "shared/text/utf8.h"

namespace answermill::frontend {
namespace {

constexpr int kHistoryTurns = 6;
constexpr std::size_t kTurnBytes = 4000;  // of one earlier turn handed to the generator
constexpr std::size_t kTitleCodePoints = 80;

constexpr std::string_view kSelectConversations =
    "SELECT id, owner, title, collection, created_ms, updated_ms FROM conversations ";
constexpr std::string_view kSelectMessages =
    "SELECT id, conversation, role, text, stream, question, collection, status, state, created_ms FROM "
    "messages ";

ConversationRow read_conversation(const store::Statement& row) {
  return {row.text(0), row.text(1), row.text(2), row.text(3), row.integer(4), row.integer(5)};
}

MessageRow read_message(const store::Statement& row) {
  MessageRow message;
  message.id = row.text(0);
  message.conversation = row.text(1);
  message.role = row.text(2);
  message.text = row.text(3);
  message.stream = row.text(4);
  message.question = row.text(5);
  message.collection = row.text(6);
  message.status = static_cast<MessageStatus>(row.integer(7));
  if (!row.is_null(8)) {
    if (auto state = messages::decode<messages::StreamState>(row.text(8))) message.state = std::move(*state);
  }
  message.created_ms = row.integer(9);
  return message;
}

Result<std::vector<MessageRow>> read_messages(Result<store::Statement> statement) {
  if (!statement) return statement.error();
  std::vector<MessageRow> rows;
  while (true) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row) return rows;
    rows.push_back(read_message(*statement));
  }
}

std::string title_of(const std::string& question) {
  if (text::count_code_points(question) <= kTitleCodePoints) return question;
  return question.substr(0, text::byte_offset_of(question, kTitleCodePoints - 1)) + "…";
}

}  // namespace

Error no_conversation() { return {ErrorCode::kNotFound, "There is no conversation with this id."}; }

std::vector<messages::Turn> latest_turns(std::vector<messages::Turn> turns) {
  if (turns.size() > kHistoryTurns) turns.erase(turns.begin(), turns.end() - kHistoryTurns);
  for (auto& turn : turns) turn.text.resize(text::floor_boundary(turn.text, kTurnBytes));
  return turns;
}

Result<std::vector<ConversationRow>> Catalog::conversations(std::string_view owner) {
  auto statement = sql::query(
      database_,
      std::string(kSelectConversations) + "WHERE owner = ? ORDER BY updated_ms DESC, number DESC LIMIT 1000",
      owner);
  if (!statement) return statement.error();
  std::vector<ConversationRow> rows;
  while (true) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row) return rows;
    rows.push_back(read_conversation(*statement));
  }
}

Result<ConversationRow> Catalog::conversation(std::string_view owner, std::string_view id) {
  auto statement =
      sql::query(database_, std::string(kSelectConversations) + "WHERE owner = ? AND id = ?", owner, id);
  if (!statement) return statement.error();
  auto row = statement->step();
  if (!row) return row.error();
  if (!*row) return no_conversation();
  return read_conversation(*statement);
}

Result<std::vector<MessageRow>> Catalog::messages_of(std::string_view conversation) {
  return read_messages(sql::query(
      database_, std::string(kSelectMessages) + "WHERE conversation = ? ORDER BY number", conversation));
}

Status Catalog::delete_conversation(std::string_view owner, std::string_view id) {
  auto gone = sql::run(database_, "DELETE FROM conversations WHERE owner = ? AND id = ?", owner, id);
  if (!gone) return gone;
  if (database_.changes() == 0) return no_conversation();
  return {};
}

Result<std::vector<messages::Turn>> Catalog::history_of(std::string_view conversation) {
  auto statement = sql::query(database_,
                              "SELECT role, text FROM messages WHERE conversation = ? AND text <> ''"
                              " AND status IN (1, 2) ORDER BY number DESC LIMIT ?",
                              conversation, kHistoryTurns);
  if (!statement) return statement.error();
  std::vector<messages::Turn> turns;
  while (true) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row) break;
    turns.push_back({statement->text(0), statement->text(1)});
  }
  std::reverse(turns.begin(), turns.end());
  return latest_turns(std::move(turns));
}

// The conversation the question belongs to, made when it has to be.
Result<ConversationRow> Catalog::conversation_for(const NewQuestion& question) {
  if (!question.conversation.empty()) {
    auto row = conversation(question.owner, question.conversation);
    const bool make = !row && row.error().code == ErrorCode::kNotFound &&
                      question.conversations == NewQuestion::Conversations::kMake;
    if (!make) return row;
  }
  ConversationRow row{question.conversation.empty() ? random_id() : question.conversation,
                      question.owner,
                      title_of(question.question),
                      question.collection.empty() ? kDefaultCollection : question.collection,
                      question.now_ms,
                      question.now_ms};
  auto inserted = sql::run(database_,
                           "INSERT INTO conversations(id, owner, title, collection, created_ms, updated_ms)"
                           " VALUES(?, ?, ?, ?, ?, ?)",
                           row.id, row.owner, row.title, row.collection, row.created_ms, row.updated_ms);
  if (!inserted) return inserted.error();
  return row;
}

// Commits without waiting for the disk.
template <class Work>
auto Catalog::relaxed(const Work& work) -> decltype(work()) {
  if (auto relaxed = database_.set_synchronous(store::Synchronous::kNormal); !relaxed) return relaxed.error();
  auto result = work();
  if (auto strict = database_.set_synchronous(store::Synchronous::kFull); !strict) return strict.error();
  return result;
}

Result<StartedQuestion> Catalog::begin_question(const NewQuestion& question,
                                                const MakeSubmission& submission) {
  // Survives every process; only a power cut may lose it, and with it the relaxed job that answers it. An
  // fsync here would stand between the asker and the first token.
  return relaxed([&] { return note_question(question, submission); });
}

Result<StartedQuestion> Catalog::note_question(const NewQuestion& question,
                                               const MakeSubmission& submission) {
  auto transaction = store::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (!question.request_id.empty()) {
    auto before = read_messages(
        sql::query(database_, std::string(kSelectMessages) + "WHERE request_id = ?", question.request_id));
    if (!before) return before.error();
    if (!before->empty()) {
      const MessageRow& row = before->front();
      if (row.question != question.question) {
        return Error{ErrorCode::kConflict, "This request id was used for another question."};
      }
      return StartedQuestion{row.stream, row.conversation, row.question, row.collection, {}, true};
    }
  }
  auto row = conversation_for(question);
  if (!row) return row.error();
  StartedQuestion started{question.stream,
                          row->id,
                          question.question,
                          question.collection.empty() ? row->collection : question.collection,
                          {},
                          false};
  const auto& reach = question.reach;
  if (!reach.empty() && std::find(reach.begin(), reach.end(), started.collection) == reach.end()) {
    return Error{ErrorCode::kForbidden, "The access token is for other collections than this one."};
  }
  if (question.collections == NewQuestion::Collections::kMustExist) {
    if (auto known = collection(started.collection); !known) return known.error();
  }
  auto history = history_of(started.conversation);
  if (!history) return history.error();
  started.history = std::move(*history);

  auto noted = sql::run(database_,
                        "INSERT INTO messages(id, conversation, role, text, stream, status, created_ms)"
                        " VALUES(?, ?, 'user', ?, ?, 1, ?)",
                        random_id(), started.conversation, started.question, started.stream, question.now_ms);
  if (!noted) return noted.error();
  auto answer = database_.prepare(
      "INSERT INTO messages(id, conversation, role, text, stream, question, collection, request_id, status, "
      "created_ms, submission)"
      " VALUES(?, ?, 'assistant', '', ?, ?, ?, ?, 0, ?, ?)");
  if (!answer) return answer.error();
  answer->bind(1, random_id())
      .bind(2, started.conversation)
      .bind(3, started.stream)
      .bind(4, started.question);
  answer->bind(5, started.collection).bind(7, question.now_ms);
  if (question.request_id.empty()) {
    answer->bind_null(6);
  } else {
    answer->bind(6, question.request_id);
  }
  if (submission) {
    answer->bind_blob(8, submission(started));
  } else {
    answer->bind_null(8);
  }
  noted = answer->run();
  if (noted) {
    noted = sql::run(database_, "UPDATE conversations SET updated_ms = ? WHERE id = ?", question.now_ms,
                     started.conversation);
  }
  if (noted) noted = transaction->commit();
  if (!noted) return noted.error();
  return started;
}

Result<std::vector<UnsettledAnswer>> Catalog::unsettled_answers(std::int64_t before_ms, int limit) {
  auto statement =
      sql::query(database_,
                 "SELECT stream, submission, created_ms FROM messages WHERE role = 'assistant' AND "
                 "status = 0 AND created_ms < ? ORDER BY created_ms LIMIT ?",
                 before_ms, limit);
  if (!statement) return statement.error();
  std::vector<UnsettledAnswer> answers;
  while (true) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row) return answers;
    answers.push_back({statement->text(0), statement->is_null(1) ? std::string() : statement->text(1),
                       statement->integer(2)});
  }
}

Status Catalog::refuse_answer(std::string_view stream, const Error& error) {
  messages::StreamState state;
  state.stream = std::string(stream);
  messages::TerminalEvent terminal;
  terminal.outcome = messages::Terminal::kFailed;
  terminal.code = error.code;
  terminal.message = error.message;
  terminal.sha256 = sha256_hex({});
  state.events.push_back({1, 1, messages::StreamEventKind::kTerminal, 0, messages::encode(terminal)});
  state.next_seq = 2;
  auto statement = database_.prepare(
      "UPDATE messages SET status = 3, state = ?, submission = NULL WHERE stream = ? AND role = 'assistant' "
      "AND status = 0");
  if (!statement) return statement.error();
  statement->bind_blob(1, messages::encode(state)).bind(2, stream);
  return statement->run();
}

Status Catalog::finish_answer(const messages::RecordAnswer& answer, const messages::StreamState& state,
                              std::int64_t now_ms) {
  // The next question waits for this transaction, but not for the disk.
  return relaxed([&] { return note_answer(answer, state, now_ms); });
}

Status Catalog::note_answer(const messages::RecordAnswer& answer, const messages::StreamState& state,
                            std::int64_t now_ms) {
  auto status = MessageStatus::kFailed;
  if (!state.events.empty() && state.events.back().kind == messages::StreamEventKind::kTerminal) {
    auto terminal = messages::decode<messages::TerminalEvent>(state.events.back().data);
    if (terminal) status = status_of(terminal->outcome);
  }
  messages::StreamState kept = state;
  kept.text.clear();  // it has a column of its own
  auto transaction = store::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto statement = database_.prepare(
      "UPDATE messages SET text = ?, status = ?, state = ?, submission = NULL WHERE stream = ? AND "
      "role = 'assistant' AND status IN (0, 3)");
  if (!statement) return statement.error();
  statement->bind(1, std::string_view(state.text)).bind(2, static_cast<std::int64_t>(status));
  statement->bind_blob(3, messages::encode(kept)).bind(4, std::string_view(answer.stream));
  auto updated = statement->run();
  if (updated) {
    updated = sql::run(database_, "UPDATE conversations SET updated_ms = MAX(updated_ms, ?) WHERE id = ?",
                       now_ms, answer.conversation);
  }
  if (!updated) return updated;
  return transaction->commit();
}

Result<MessageRow> Catalog::answer_of_stream(std::string_view stream) {
  auto rows = read_messages(sql::query(
      database_, std::string(kSelectMessages) + "WHERE stream = ? AND role = 'assistant'", stream));
  if (!rows) return rows.error();
  if (rows->empty()) return Error{ErrorCode::kNotFound, "There is no stream with this id."};
  return std::move(rows->front());
}

}  // namespace answermill::frontend
