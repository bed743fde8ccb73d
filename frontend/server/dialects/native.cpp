#include "frontend/server/dialects/native.h"

#include <array>
#include <utility>

#include "frontend/server/dialects/json_objects.h"
#include "frontend/server/dialects/json_read.h"

namespace answermill::frontend::native {
namespace {

constexpr std::array<std::pair<std::string_view, ClientKind>, 12> kKinds = {{
    {"watch", ClientKind::kWatch},
    {"unwatch", ClientKind::kUnwatch},
    {"ask", ClientKind::kAsk},
    {"cancel", ClientKind::kCancel},
    {"resume", ClientKind::kResume},
    {"leave", ClientKind::kLeave},
    {"search", ClientKind::kSearch},
    {"prefetch", ClientKind::kPrefetch},
    {"upload_begin", ClientKind::kUploadBegin},
    {"upload_end", ClientKind::kUploadEnd},
    {"upload_abort", ClientKind::kUploadAbort},
    {"ping", ClientKind::kPing},
}};

Json limits_json(const ServerFacts& facts) {
  return {{"upload_bytes", facts.upload_bytes}, {"question_characters", facts.question_characters}};
}

Json stage_counts(const FleetView& fleet) {
  Json stages = Json::object();
  for (const char* stage : {"extract", "embed", "index", "generate", "record"}) {
    const auto found = fleet.workers.find(stage);
    stages[stage] = found == fleet.workers.end() ? 0 : found->second;
  }
  return stages;
}

}  // namespace

Result<ClientMessage> parse(std::string_view text) {
  auto object = JsonObject::parse(text);
  if (!object) return object.error();
  ClientMessage message;
  const std::string type = object->text("type");
  bool known = false;
  for (const auto& [name, kind] : kKinds) {
    if (name != type) continue;
    message.kind = kind;
    known = true;
  }
  if (!known) return Error{ErrorCode::kInvalidArgument, "There is no message of this \"type\"."};
  message.id = object->text("id");
  message.request_id = object->text("request_id");
  message.stream = object->text("stream");
  message.after_seq = object->number("after_seq").value_or(0);
  if (object->has("collection")) message.collection = object->text("collection");
  message.conversation = object->text("conversation");
  message.documents = object->texts("documents");
  message.question = object->text(message.kind == ClientKind::kSearch ? "query" : "question");
  message.k = object->number("k").value_or(0);
  message.name = object->text("name");
  message.size = object->number("size");
  message.content_type = object->text("content_type");
  message.material_id = object->text("material_id");
  if (auto wrong = object->wrong_type()) return *wrong;
  return message;
}

std::string welcome(const ServerFacts& facts, std::string_view client, const FleetView& fleet,
                    const RightsView& rights) {
  return dump(Json{{"type", "welcome"},
                   {"version", facts.version},
                   {"client", client},
                   {"mode", fleet.mode},
                   {"model", fleet.model},
                   {"limits", limits_json(facts)},
                   {"supported", facts.supported},
                   {"access", rights_json(rights)}});
}

std::string documents(const std::optional<std::string>& collection,
                      const std::vector<DocumentView>& documents) {
  Json all = Json::array();
  for (const auto& view : documents) all.push_back(document_json(view));
  return dump(Json{{"type", "documents"},
                   {"collection", collection ? Json(*collection) : Json(nullptr)},
                   {"documents", std::move(all)}});
}

std::string document(const DocumentView& view) {
  return dump(Json{{"type", "document"}, {"document", document_json(view)}});
}

std::string document_removed(std::string_view id) {
  return dump(Json{{"type", "document_removed"}, {"document", id}});
}

std::string started(std::string_view id, const AnswerView& answer) {
  return dump(Json{{"type", "started"},
                   {"id", id},
                   {"stream", answer.stream},
                   {"conversation", answer.conversation},
                   {"question", answer.question},
                   {"collection", answer.collection}});
}

std::string resumed(std::string_view id, std::string_view stream, std::uint64_t after_seq) {
  return dump(Json{
      {"type", "resumed"}, {"id", id}, {"stream", stream}, {"recovered", true}, {"after_seq", after_seq}});
}

std::string resumed_snapshot(std::string_view id, const AnswerView& answer) {
  Json out = {{"type", "resumed"}, {"id", id}, {"stream", answer.stream}, {"recovered", false}};
  add_answer_fields(out, answer);
  out["seq"] = answer.next_seq - 1;
  return dump(out);
}

std::string stream_event(std::string_view stream, const messages::StreamEvent& event) {
  NamedEvent named = stream_event_json(event);
  if (named.name.empty()) return {};
  Json out = {
      {"type", named.name}, {"stream", stream}, {"seq", event.last_seq}, {"first_seq", event.first_seq}};
  out.update(named.data);
  return dump(out);
}

std::string results(std::string_view id, std::string_view query, const messages::SourcesEvent& found,
                    double took_ms) {
  return dump(Json{{"type", "results"},
                   {"id", id},
                   {"query", query},
                   {"hits", passages_json(found.passages)},
                   {"coverage", coverage_json(found.coverage)},
                   {"took_ms", took_ms}});
}

std::string prefetched(std::string_view id, std::string_view question, const messages::SourcesEvent& found,
                       double took_ms) {
  return dump(Json{{"type", "prefetched"},
                   {"id", id},
                   {"question", question},
                   {"passages", found.passages.size()},
                   {"coverage", coverage_json(found.coverage)},
                   {"took_ms", took_ms}});
}

std::string upload_ready(std::string_view id, std::uint32_t number, std::uint64_t chunk_bytes,
                         std::uint64_t window_bytes) {
  return dump(Json{{"type", "upload_ready"},
                   {"id", id},
                   {"upload", number},
                   {"chunk_bytes", chunk_bytes},
                   {"window_bytes", window_bytes}});
}

std::string upload_ack(std::string_view id, std::uint64_t received) {
  return dump(Json{{"type", "upload_ack"}, {"id", id}, {"received", received}});
}

std::string uploaded(std::string_view id, const DocumentView& view) {
  return dump(Json{{"type", "uploaded"}, {"id", id}, {"document", document_json(view)}});
}

std::string upload_aborted(std::string_view id) { return dump(Json{{"type", "upload_aborted"}, {"id", id}}); }

std::string pong(double timestamp) { return dump(Json{{"type", "pong"}, {"timestamp", timestamp}}); }

std::string fleet(const FleetView& view) {
  return dump(Json{{"type", "fleet"},
                   {"ready", view.ready},
                   {"mode", view.mode},
                   {"model", view.model},
                   {"stages", stage_counts(view)}});
}

std::string error(std::string_view id, std::string_view stream, const Error& error) {
  return denied(id, stream, {error, {}});
}

std::string denied(std::string_view id, std::string_view stream, const Denial& denial) {
  Json out = {{"type", "error"}};
  if (!id.empty()) out["id"] = id;
  if (!stream.empty()) out["stream"] = stream;
  out["code"] = to_string(denial.error.code);
  out["message"] = denial.error.message;
  out["retryable"] = is_retryable(denial.error.code);
  add_denial(out, denial);
  return dump(out);
}

}  // namespace answermill::frontend::native
