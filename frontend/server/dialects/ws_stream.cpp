#include "frontend/server/dialects/ws_stream.h"

#include <ctime>

#include "frontend/server/dialects/json_objects.h"
#include "frontend/server/dialects/json_read.h"
#include "shared/text/utf8.h"

namespace answermill::frontend::ws_stream {
namespace {

constexpr char kBuiltInModel[] = "builtin-quoting";

std::string trimmed(const std::string& text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

Json optional_text(const std::optional<std::string>& text) { return text ? Json(*text) : Json(nullptr); }

std::string model_name(const FleetView& fleet) { return fleet.mode == "model" ? fleet.model : kBuiltInModel; }

Json source_json(const messages::Passage& passage, const Identity& identity) {
  return {{"content", passage.text},
          {"metadata",
           {{"material_id", passage.material_id.empty() ? passage.document : passage.material_id},
            {"course_id", identity.course_id.value_or(passage.collection)},
            {"filename", passage.document_name},
            {"page", std::to_string(passage.page) + "." + std::to_string(passage.ordinal)},
            {"score", passage.score},
            {"vector_distance", passage.distance},
            {"chunk_type", passage.type},
            {"document_id", passage.document}}}};
}

Json counts_json(const std::vector<std::pair<std::string_view, std::uint64_t>>& counts) {
  Json out = Json::object();
  for (const auto& [name, count] : counts) out[std::string(name)] = count;
  return out;
}

Parsed refuse(std::string_view code, std::string message, std::string suggestion) {
  return {std::nullopt, {code, std::move(message), true, std::move(suggestion)}};
}

}  // namespace

Parsed parse(std::string_view text) {
  auto object = JsonObject::parse(text);
  if (!object) {
    return refuse("JSON_PARSE_ERROR", "This message is not a JSON object.",
                  "Send one JSON object per message.");
  }
  const std::string type = object->text("type");
  ClientMessage message;
  if (type == "ping") return {message, {}};
  if (type == "disconnect") {
    message.kind = ClientKind::kDisconnect;
    return {message, {}};
  }
  if (type != "chat_request") {
    return refuse("INVALID_MESSAGE_TYPE", "There is no message of this type.",
                  "Use chat_request, ping or disconnect.");
  }
  message.kind = ClientKind::kChatRequest;
  message.query = trimmed(object->text("query"));
  message.use_personalization = object->flag("use_personalization");
  if (object->has("chatroom_id")) message.chatroom_id = object->text("chatroom_id");
  if (const auto wrong = object->wrong_type()) {
    return refuse("JSON_PARSE_ERROR", wrong->message, "Correct the field and send the chat_request again.");
  }
  if (message.query.empty()) {
    return refuse("EMPTY_QUERY", "Query cannot be empty. Please provide a valid question.",
                  "Please resend with a valid query in the chat_request message.");
  }
  if (text::count_code_points(message.query) > kMaxQueryCodePoints) {
    return refuse("QUERY_TOO_LONG", "A query has at most 1000 characters.",
                  "Shorten the query and send it again.");
  }
  return {message, {}};
}

WireError service_unavailable(const Error& cause) {
  return {"SERVICE_UNAVAILABLE", cause.message, false, "Reconnect in a few seconds and ask again.",
          retry_after_seconds(cause)};
}

WireError rate_limited() {
  return {"RATE_LIMIT_EXCEEDED", "Too many questions are running on this connection.", false,
          "Wait for the running answers before you send more."};
}

WireError denied(const Denial& denial) {
  if (denial.error.code != ErrorCode::kRateLimited) return service_unavailable(denial.error);
  return {"RATE_LIMIT_EXCEEDED", denial.error.message, false, "Send it again after retry_after seconds.",
          retry_after_seconds(denial.error)};
}

WireError connection_timeout() {
  return {"CONNECTION_TIMEOUT", "Nothing was heard from this connection for too long.", false,
          "Send a ping every 30 seconds to keep the connection."};
}

std::string connection(const Identity& identity, const Settings& settings, const FleetView& fleet,
                       double now) {
  return dump(Json{{"type", "connection"},
                   {"status", "connected"},
                   {"user_id", identity.user_id},
                   {"course_id", optional_text(identity.course_id)},
                   {"timestamp", now},
                   {"message", "WebSocket connected. Ready for streaming chat!"},
                   {"config",
                    {{"model_comprehensive", model_name(fleet)},
                     {"model_personalized", model_name(fleet)},
                     {"rag_threshold", settings.distance_threshold},
                     {"rag_top_k", settings.top_k},
                     {"openai_temperature", settings.temperature},
                     {"openai_max_tokens", settings.max_tokens},
                     {"streaming", true},
                     {"cache_enabled", false},
                     {"personalization_enabled", false}}}});
}

std::string chat_started(const Identity& identity, const Exchange& exchange, const AnswerView& answer,
                         double now) {
  return dump(Json{{"type", "chat_started"},
                   {"query", exchange.query},
                   {"timestamp", now},
                   {"metadata",
                    {{"course_id", optional_text(identity.course_id)},
                     {"chatroom_id", optional_text(exchange.chatroom_id)},
                     {"use_personalization", exchange.use_personalization},
                     {"service", "answermill"},
                     {"cache_check", "disabled"},
                     {"stream_id", answer.stream}}}});
}

std::string chat_chunk(std::string_view text, std::uint64_t index, double now) {
  return dump(Json{{"type", "chat_chunk"}, {"chunk", text}, {"chunk_index", index}, {"timestamp", now}});
}

std::string chat_response(const Identity& identity, const Settings& settings, const Exchange& exchange,
                          const AnswerView& answer, double now) {
  const messages::AnswerMeta meta = answer.meta.value_or(messages::AnswerMeta{});
  const messages::SourcesEvent found = answer.sources.value_or(messages::SourcesEvent{});
  Json sources = Json::array();
  for (const auto& passage : found.passages) sources.push_back(source_json(passage, identity));
  const bool nothing = meta.mode == "nothing_found";
  return dump(Json{{"type", "chat_response"},
                   {"response", answer.text},
                   {"sources", std::move(sources)},
                   {"cached", false},
                   {"token_usage",
                    {{"input_tokens", meta.input_tokens},
                     {"output_tokens", meta.output_tokens},
                     {"total_tokens", meta.input_tokens + meta.output_tokens},
                     {"model_pricing",
                      {{"input_cost_per_1k", meta.input_cost_per_1k},
                       {"output_cost_per_1k", meta.output_cost_per_1k},
                       {"total_cost", meta.cost_usd}}}}},
                   {"latency_ms", exchange.latency_ms},
                   {"timestamp", now},
                   {"metadata",
                    {{"source", "rag"},
                     {"source_type", "knowledge_base"},
                     {"response_type", nothing ? "nothing_found" : "rag_response"},
                     {"model_used", meta.model.empty() ? kBuiltInModel : meta.model},
                     {"personalized", false},
                     {"course_id", optional_text(identity.course_id)},
                     {"cost_usd", meta.cost_usd},
                     {"rag_threshold_used", settings.distance_threshold},
                     {"documents_retrieved", found.candidates},
                     {"documents_used", found.passages.size()},
                     {"stream_id", answer.stream}}},
                   {"response_source", "rag"},
                   {"chunks_count", exchange.chunks},
                   {"done", true}});
}

std::string pong(double now) { return dump(Json{{"type", "pong"}, {"timestamp", now}}); }

std::string error(const WireError& error, double now) {
  Json out = {{"type", "error"},  {"error", error.message},           {"error_code", error.code},
              {"timestamp", now}, {"recoverable", error.recoverable}, {"suggestion", error.suggestion}};
  if (error.retry_after > 0) out["retry_after"] = error.retry_after;
  return dump(out);
}

std::string status(const Statistics& statistics, const AccessView& access, double uptime_seconds,
                   std::int64_t unix_seconds) {
  char time[32] = {};
  const std::time_t seconds = unix_seconds;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", &utc);
  const auto mean = [&](double sum) {
    return statistics.responses == 0 ? 0.0 : sum / double(statistics.responses);
  };
  return dump(
      Json{{"websocket_status", "active"},
           {"active_connections", statistics.connections},
           {"connected_users", statistics.users},
           {"endpoint", "/ws/stream"},
           {"server_time", time},
           {"uptime", uptime_seconds},
           {"message_types", {"chat_request", "ping", "disconnect"}},
           {"response_types", {"connection", "chat_started", "chat_chunk", "chat_response", "error", "pong"}},
           {"supported_features",
            {{"streaming", true},
             {"database_integration", true},
             {"cache_integration", false},
             {"token_tracking", true},
             {"bidirectional", true},
             {"personalization", false},
             {"sources_metadata", true},
             {"page_tracking", true},
             {"cost_tracking", true}}},
           {"performance_stats",
            {{"avg_response_time_ms", mean(statistics.response_ms_sum)},
             {"cache_hit_rate", 0.0},
             {"avg_tokens_per_response", mean(double(statistics.output_tokens_sum))},
             {"active_chats", statistics.active_chats},
             {"total_requests_today", statistics.requests_today}}},
           {"access",
            {{"tokens", access.tokens},
             {"token_required", access.token_required},
             {"connections", access.connections},
             {"limits", counts_json(access.limits)},
             {"refused", counts_json(access.refused)}}}});
}

}  // namespace answermill::frontend::ws_stream
