#include "frontend/server/dialects/http_json.h"

#include "frontend/server/dialects/json_objects.h"
#include "frontend/server/dialects/json_read.h"
#include "shared/base/sha256.h"

namespace answermill::frontend {
namespace {

Json collection_json(const CollectionRow& row) {
  return {{"name", row.name},
          {"documents", row.documents},
          {"pages", row.pages},
          {"created_at", seconds_json(row.created_ms)}};
}

Json conversation_json(const ConversationRow& row) {
  return {{"id", row.id},
          {"title", row.title},
          {"collection", row.collection},
          {"created_at", seconds_json(row.created_ms)},
          {"updated_at", seconds_json(row.updated_ms)}};
}

Json message_json(const MessageRow& row) {
  Json out = {{"id", row.id}, {"role", row.role}, {"text", row.text}, {"stream", row.stream}};
  // A question is a message whose state is empty: the same fields, with nothing in them.
  add_answer_fields(out, answer_of(row));
  out["created_at"] = seconds_json(row.created_ms);
  return out;
}

Json stages_json(const messages::FleetStatus& status) {
  Json stages = Json::array();
  for (const auto& stage : status.stages) {
    std::uint64_t workers = 0;
    std::uint64_t slots = 0;
    std::uint64_t busy = 0;
    for (const auto& worker : status.workers) {
      if (worker.stage != stage.stage) continue;
      ++workers;
      slots += worker.slots;
      busy += worker.busy;
    }
    stages.push_back({{"stage", stage.stage},
                      {"workers", workers},
                      {"slots", slots},
                      {"busy", busy},
                      {"queued", stage.queued},
                      {"leased", stage.leased},
                      {"done", stage.done},
                      {"failed", stage.failed},
                      {"quarantined", stage.quarantined}});
  }
  return stages;
}

}  // namespace

Result<AskBody> parse_ask(std::string_view body) {
  auto object = JsonObject::parse(body);
  if (!object) return object.error();
  AskBody ask;
  ask.question = object->text("question");
  ask.collection = object->text("collection");
  ask.conversation = object->text("conversation");
  ask.request_id = object->text("request_id");
  ask.documents = object->texts("documents");
  if (auto wrong = object->wrong_type()) return *wrong;
  return ask;
}

Result<std::string> parse_collection_name(std::string_view body) {
  auto object = JsonObject::parse(body);
  if (!object) return object.error();
  std::string name = object->text("name");
  if (auto wrong = object->wrong_type()) return *wrong;
  return name;
}

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOk:
      return 200;
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kMalformed:
      return 400;
    case ErrorCode::kUnauthorized:
      return 401;
    case ErrorCode::kForbidden:
      return 403;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kConflict:
    case ErrorCode::kFenced:
    case ErrorCode::kCancelled:
      return 409;
    case ErrorCode::kTooLarge:
      return 413;
    case ErrorCode::kUnsupported:
    case ErrorCode::kNoText:
    case ErrorCode::kEncrypted:
    case ErrorCode::kDamaged:
    case ErrorCode::kEmptyFile:
      return 422;
    case ErrorCode::kRateLimited:
      return 429;
    case ErrorCode::kInternal:
    case ErrorCode::kQuarantined:
    case ErrorCode::kCrashed:
    case ErrorCode::kLimit:
      return 500;
    case ErrorCode::kUpstream:
      return 502;
    case ErrorCode::kUnavailable:
    case ErrorCode::kBusy:
      return 503;
    case ErrorCode::kTimeout:
    case ErrorCode::kExpired:
      return 504;
    case ErrorCode::kDiskFull:
      return 507;
  }
  return 500;
}

std::string encode_error(const Error& error) { return encode_denial({error, {}}); }

std::string encode_denial(const Denial& denial) {
  const Error& error = denial.error;
  Json told = {
      {"code", to_string(error.code)}, {"message", error.message}, {"retryable", is_retryable(error.code)}};
  add_denial(told, denial);
  Json body = Json::object();
  body["error"] = std::move(told);
  return dump(body);
}

std::string encode_document(const DocumentView& document) { return dump(document_json(document)); }

std::string encode_documents(const std::vector<DocumentView>& documents) {
  Json body = {{"documents", Json::array()}};
  for (const auto& document : documents) body["documents"].push_back(document_json(document));
  return dump(body);
}

std::string encode_document_deleted(std::string_view id, bool finished) {
  return dump(Json{{"deleted", finished}, {"id", id}});
}

std::string encode_page(const messages::PageText& page) {
  return dump(Json{{"document", page.document},
                   {"name", page.document_name},
                   {"page", page.page},
                   {"total_pages", page.total_pages},
                   {"text", page.text}});
}

std::string encode_collection(const CollectionRow& collection) { return dump(collection_json(collection)); }

std::string encode_collections(const std::vector<CollectionRow>& collections) {
  Json body = {{"collections", Json::array()}};
  for (const auto& row : collections) body["collections"].push_back(collection_json(row));
  return dump(body);
}

std::string encode_flag(std::string_view name) {
  Json body = Json::object();
  body[std::string(name)] = true;
  return dump(body);
}

std::string encode_search(std::string_view query, std::string_view collection,
                          const messages::SourcesEvent& found, double took_ms) {
  return dump(Json{{"query", query},
                   {"collection", collection},
                   {"hits", passages_json(found.passages)},
                   {"coverage", coverage_json(found.coverage)},
                   {"took_ms", took_ms}});
}

std::string encode_conversations(const std::vector<ConversationRow>& conversations) {
  Json body = {{"conversations", Json::array()}};
  for (const auto& row : conversations) body["conversations"].push_back(conversation_json(row));
  return dump(body);
}

std::string encode_conversation(const ConversationRow& conversation,
                                const std::vector<MessageRow>& messages) {
  Json body = conversation_json(conversation);
  body["messages"] = Json::array();
  for (const auto& message : messages) body["messages"].push_back(message_json(message));
  return dump(body);
}

std::string encode_answer(const AnswerView& answer) {
  Json body = {{"stream", answer.stream}, {"conversation", answer.conversation}};
  add_answer_fields(body, answer);
  return dump(body);
}

std::string encode_stream(const AnswerView& answer) {
  return dump(Json{{"stream", answer.stream},
                   {"status", to_string(answer.status)},
                   {"text", answer.text},
                   {"length", answer.text.size()},
                   {"sha256", answer.sha256.empty() ? sha256_hex(answer.text) : answer.sha256},
                   {"next_seq", answer.next_seq}});
}

std::string encode_rights(const RightsView& rights) { return dump(rights_json(rights)); }

std::string encode_health() { return dump(Json{{"status", "ok"}, {"version", ANSWERMILL_VERSION}}); }

std::string encode_ready(const FleetView& fleet) {
  Json stages = Json::object();
  for (const char* stage : {"extract", "embed", "index", "generate", "record"}) {
    const auto found = fleet.workers.find(stage);
    stages[stage] = found == fleet.workers.end() ? 0 : found->second;
  }
  return dump(Json{{"ready", fleet.ready}, {"stages", std::move(stages)}});
}

std::string encode_status(const ServerFacts& facts, const FleetView& fleet,
                          const messages::FleetStatus& status, const DocumentCounts& documents,
                          double uptime_seconds) {
  Json workers = Json::array();
  for (const auto& worker : status.workers) {
    workers.push_back({{"stage", worker.stage},
                       {"host", worker.host},
                       {"pid", worker.pid},
                       {"slots", worker.slots},
                       {"busy", worker.busy},
                       {"detail", worker.detail}});
  }
  Json refused = Json::object();
  for (const auto& [reason, count] : status.refused) refused[reason] = count;
  return dump(Json{
      {"version", facts.version},
      {"ready", fleet.ready},
      {"uptime", uptime_seconds},
      {"boot", status.boot},
      {"mode", fleet.mode},
      {"model", fleet.model},
      {"embedder", fleet.embedder},
      {"stages", stages_json(status)},
      {"workers", std::move(workers)},
      {"documents",
       {{"queued", documents.queued},
        {"processing", documents.processing},
        {"ready", documents.ready},
        {"failed", documents.failed}}},
      {"open_streams", status.open_streams},
      {"ended_streams", {{"kept", status.kept_streams}, {"evicted", status.evicted_streams}}},
      {"stream_bytes", status.stream_bytes},
      {"refused", std::move(refused)},
      {"limits", {{"upload_bytes", facts.upload_bytes}, {"question_characters", facts.question_characters}}},
      {"supported", facts.supported}});
}

}  // namespace answermill::frontend
