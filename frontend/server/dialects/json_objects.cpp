#include "frontend/server/dialects/json_objects.h"

#include <cmath>

#include "shared/messages/codec.h"

namespace answermill::frontend {

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json seconds_json(std::int64_t unix_ms) {
  if (unix_ms == 0) return nullptr;
  return static_cast<double>(unix_ms) / 1000.0;
}

Json error_object(const Error& error) {
  if (error.code == ErrorCode::kOk) return nullptr;
  Json out = {{"code", to_string(error.code)}, {"message", error.message}};
  add_retry_after(out, error);
  return out;
}

double retry_after_seconds(const Error& error) {
  return std::chrono::duration<double>(error.retry_after).count();
}

void add_retry_after(Json& out, const Error& error) {
  if (error.retry_after.count() > 0) out["retry_after"] = retry_after_seconds(error);
}

void add_denial(Json& out, const Denial& denial) {
  if (!denial.scope.empty()) out["scope"] = denial.scope;
  add_retry_after(out, denial.error);
}

bool is_retryable(ErrorCode code) {
  return code == ErrorCode::kUnavailable || code == ErrorCode::kBusy || code == ErrorCode::kTimeout ||
         code == ErrorCode::kUpstream || code == ErrorCode::kRateLimited || code == ErrorCode::kDiskFull ||
         code == ErrorCode::kExpired || code == ErrorCode::kFenced;
}

Json document_json(const DocumentView& view) {
  const DocumentRow& row = view.row;
  Json warnings = Json::array();
  for (const auto& warning : row.warnings) {
    warnings.push_back(
        {{"pages", warning.pages}, {"code", to_string(warning.code)}, {"message", warning.message}});
  }
  const PageCounts& pages = row.pages;
  return {{"id", row.id},
          {"name", row.name},
          {"collection", row.collection},
          {"size", row.size},
          {"type", row.type},
          {"material_id", row.material_id},
          {"state", to_string(row.state)},
          {"generation", row.generation},
          {"error", row.state == DocumentState::kFailed ? error_object(row.error) : Json(nullptr)},
          {"warnings", std::move(warnings)},
          {"pages",
           {{"total", pages.total},
            {"extracted", pages.extracted},
            {"embedded", pages.embedded},
            {"searchable", pages.searchable},
            {"failed", pages.failed}}},
          {"chunks", row.chunks},
          {"progress", std::round(view.progress * 1000) / 1000},
          {"eta_ms", view.eta_ms < 0 ? Json(nullptr) : Json(view.eta_ms)},
          {"created_at", seconds_json(row.created_ms)},
          {"finished_at", seconds_json(row.finished_ms)}};
}

Json passage_json(const messages::Passage& passage) {
  return {{"number", passage.number},
          {"document", passage.document},
          {"name", passage.document_name},
          {"collection", passage.collection},
          {"page", passage.page},
          {"label", std::to_string(passage.page) + "." + std::to_string(passage.ordinal)},
          {"begin", passage.begin},
          {"end", passage.end},
          {"heading", passage.heading},
          {"type", passage.type},
          {"text", passage.text},
          {"score", passage.score},
          {"distance", passage.distance},
          {"material_id", passage.material_id}};
}

Json passages_json(const std::vector<messages::Passage>& passages) {
  Json all = Json::array();
  for (const auto& passage : passages) all.push_back(passage_json(passage));
  return all;
}

Json citation_json(const messages::CitationEvent& citation) {
  return {{"number", citation.number},     {"text_begin", citation.text_begin},
          {"text_end", citation.text_end}, {"document", citation.document},
          {"page", citation.page},         {"begin", citation.begin},
          {"end", citation.end},           {"exact", citation.exact}};
}

Json coverage_json(const messages::Coverage& coverage) {
  return {{"pages", coverage.pages}, {"total_pages", coverage.total_pages}};
}

Json rights_json(const RightsView& rights) {
  return {{"token", rights.token.empty() ? Json(nullptr) : Json(rights.token)},
          {"scopes", rights.scopes},
          {"collections", rights.collections}};
}

Json meta_json(const messages::AnswerMeta& meta) {
  return {{"mode", meta.mode},
          {"model", meta.model},
          {"input_tokens", meta.input_tokens},
          {"output_tokens", meta.output_tokens},
          {"tokens_measured", meta.tokens_measured},
          {"cost_usd", meta.cost_usd},
          {"first_token_ms", meta.first_token_ms},
          {"total_ms", meta.total_ms},
          {"finish_reason", meta.finish_reason}};
}

void add_answer_fields(Json& out, const AnswerView& answer) {
  out["status"] = to_string(answer.status);
  out["text"] = answer.text;
  out["sources"] = answer.sources ? passages_json(answer.sources->passages) : Json::array();
  out["coverage"] = answer.sources ? coverage_json(answer.sources->coverage) : Json(nullptr);
  Json citations = Json::array();
  for (const auto& citation : answer.citations) citations.push_back(citation_json(citation));
  out["citations"] = std::move(citations);
  out["meta"] = answer.meta ? meta_json(*answer.meta) : Json(nullptr);
  out["error"] = error_object(answer.error);
}

namespace {

NamedEvent terminal_json(const std::string& data) {
  auto terminal = messages::decode<messages::TerminalEvent>(data);
  if (!terminal) {
    terminal = messages::TerminalEvent{};
    terminal->outcome = messages::Terminal::kFailed;
    terminal->code = ErrorCode::kMalformed;
    terminal->message = "The end of this answer could not be read.";
  }
  Json meta = nullptr;
  if (!terminal->meta.empty()) {
    if (const auto decoded = messages::decode<messages::AnswerMeta>(terminal->meta))
      meta = meta_json(*decoded);
  }
  return {std::string(to_string(status_of(terminal->outcome))),
          {{"length", terminal->length},
           {"sha256", terminal->sha256},
           {"meta", std::move(meta)},
           {"error", error_object({terminal->code, terminal->message})}}};
}

}  // namespace

NamedEvent stream_event_json(const messages::StreamEvent& event) {
  using messages::StreamEventKind;
  switch (event.kind) {
    case StreamEventKind::kStatus: {
      const auto status = messages::decode<messages::StatusEvent>(event.data);
      if (!status) return {};
      Json shown = {{"stage", status->stage}, {"message", status->message}};
      if (status->queue_position > 0) shown["position"] = status->queue_position;
      return {"status", std::move(shown)};
    }
    case StreamEventKind::kSources: {
      const auto sources = messages::decode<messages::SourcesEvent>(event.data);
      if (!sources) return {};
      return {"sources",
              {{"passages", passages_json(sources->passages)},
               {"coverage", coverage_json(sources->coverage)},
               {"candidates", sources->candidates}}};
    }
    case StreamEventKind::kToken:
      return {"token", {{"offset", event.offset}, {"text", event.data}}};
    case StreamEventKind::kCitation: {
      const auto citation = messages::decode<messages::CitationEvent>(event.data);
      if (!citation) return {};
      return {"citation", citation_json(*citation)};
    }
    case StreamEventKind::kRewind:
      return {"rewind", {{"offset", event.offset}}};
    case StreamEventKind::kResult:
      return {};
    case StreamEventKind::kTerminal:
      return terminal_json(event.data);
  }
  return {};
}

}  // namespace answermill::frontend
