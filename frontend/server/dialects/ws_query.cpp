#include "frontend/server/dialects/ws_query.h"

#include <algorithm>

#include "frontend/server/dialects/json_objects.h"
#include "frontend/server/dialects/json_read.h"

namespace answermill::frontend::ws_query {
namespace {

Json session_json(const Ask& ask) { return ask.session_id ? Json(*ask.session_id) : Json(nullptr); }

std::string_view status_message(std::string_view status) {
  if (status == "searching") return "Searching the documents...";
  if (status == "generating") return "Generating the answer...";
  return "That is all that was found.";
}

// The documents that the passages come from, the best first.
Json files_json(const messages::SourcesEvent& found) {
  Json files = Json::array();
  for (const auto& passage : found.passages) {
    auto file = std::find_if(files.begin(), files.end(),
                             [&](const Json& known) { return known["document_id"] == passage.document; });
    if (file == files.end()) {
      files.push_back({{"document_id", passage.document},
                       {"filename", passage.document_name},
                       {"material_id", passage.material_id},
                       {"collection", passage.collection},
                       {"pages", Json::array()},
                       {"score", passage.score}});
      file = files.end() - 1;
    }
    auto& pages = (*file)["pages"];
    if (std::find(pages.begin(), pages.end(), passage.page) == pages.end()) pages.push_back(passage.page);
    if (passage.score > (*file)["score"].get<double>()) (*file)["score"] = passage.score;
  }
  return files;
}

Json snippets_json(const messages::SourcesEvent& found) {
  Json snippets = Json::array();
  for (const auto& passage : found.passages) {
    snippets.push_back({{"number", passage.number},
                        {"document_id", passage.document},
                        {"filename", passage.document_name},
                        {"page", std::to_string(passage.page) + "." + std::to_string(passage.ordinal)},
                        {"heading", passage.heading},
                        {"text", passage.text},
                        {"score", passage.score},
                        {"distance", passage.distance}});
  }
  return snippets;
}

// What both ends of an answer tell.
void add_end(Json& out, const Ask& ask, const AnswerView& answer) {
  Json citations = Json::array();
  for (const auto& citation : answer.citations) citations.push_back(citation_json(citation));
  out["status"] = to_string(answer.status);
  out["length"] = answer.text.size();
  out["sha256"] = answer.sha256;
  out["citations"] = std::move(citations);
  out["meta"] = answer.meta ? meta_json(*answer.meta) : Json(nullptr);
  out["session_id"] = session_json(ask);
  out["stream_id"] = answer.stream;
}

}  // namespace

Result<Ask> parse(std::string_view text) {
  auto object = JsonObject::parse(text);
  if (!object) return object.error();
  Ask ask;
  ask.question = object->text("question");
  if (object->has("humanize")) ask.humanize = object->flag("humanize");
  if (object->has("stream")) ask.stream = object->flag("stream");
  if (object->has("session_id")) ask.session_id = object->text("session_id");
  if (ask.session_id && ask.session_id->empty()) ask.session_id.reset();
  ask.collection = object->text("collection");
  if (auto wrong = object->wrong_type()) return *wrong;
  return ask;
}

std::string status(std::string_view status, const Ask& ask, const AnswerView& answer, double now) {
  return dump(Json{{"type", "status"},
                   {"status", status},
                   {"message", status_message(status)},
                   {"session_id", session_json(ask)},
                   {"stream_id", answer.stream.empty() ? Json(nullptr) : Json(answer.stream)},
                   {"timestamp", now}});
}

std::string immediate(const Ask& ask, const messages::SourcesEvent& found, std::string_view stream,
                      double now) {
  return dump(Json{{"type", "immediate"},
                   {"files", files_json(found)},
                   {"snippets", snippets_json(found)},
                   {"coverage", coverage_json(found.coverage)},
                   {"session_id", session_json(ask)},
                   {"stream_id", stream.empty() ? Json(nullptr) : Json(stream)},
                   {"timestamp", now}});
}

std::string stream_start(const AnswerView& answer, double now) {
  return dump(Json{{"type", "stream_start"}, {"stream_id", answer.stream}, {"timestamp", now}});
}

std::string stream_token(std::string_view token) {
  return dump(Json{{"type", "stream_token"}, {"token", token}});
}

std::string stream_end(const Ask& ask, const AnswerView& answer, std::uint64_t tokens, double now) {
  Json out = {{"type", "stream_end"}};
  add_end(out, ask, answer);
  out["tokens"] = tokens;
  out["timestamp"] = now;
  return dump(out);
}

std::string overview(const Ask& ask, const AnswerView& answer, double now) {
  Json out = {{"type", "overview"}, {"overview", answer.text}};
  add_end(out, ask, answer);
  out["timestamp"] = now;
  return dump(out);
}

std::string denied(const Denial& denial, double now) {
  Json out = {{"type", "error"},
              {"error", denial.error.message},
              {"code", to_string(denial.error.code)},
              {"retryable", is_retryable(denial.error.code)},
              {"stream_id", nullptr}};
  add_denial(out, denial);
  out["timestamp"] = now;
  return dump(out);
}

std::string error(const Error& error, std::string_view stream, double now) {
  Json out = {{"type", "error"},
              {"error", error.message},
              {"code", to_string(error.code)},
              {"retryable", is_retryable(error.code)},
              {"stream_id", stream.empty() ? Json(nullptr) : Json(stream)},
              {"timestamp", now}};
  add_retry_after(out, error);
  return dump(out);
}

}  // namespace answermill::frontend::ws_query
