#include "workers/generate/chat_api.h"

#include <nlohmann/json.hpp>

#include "shared/text/utf8.h"

namespace answermill::generate {
namespace {

using Json = nlohmann::json;

// The member of an object, or null for anything else.
const Json& member(const Json& object, const char* name) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(name);
  return found == object.end() ? kNull : *found;
}

std::string string_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::uint64_t count_of(const Json& value) {
  return value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
}

// {"error":{"message":…}}, {"error":"…"}, {"message":…}, {"detail":…} or plain text.
std::string said_in(std::string_view body) {
  const Json root = Json::parse(body, nullptr, false);
  if (root.is_discarded()) return std::string(body);
  const Json& error = member(root, "error");
  if (error.is_string()) return error.get<std::string>();
  for (const Json* holder : {&error, &root}) {
    for (const char* name : {"message", "detail"}) {
      std::string said = string_of(member(*holder, name));
      if (!said.empty()) return said;
    }
  }
  return {};
}

}  // namespace

std::string chat_url(std::string_view base_url) {
  while (!base_url.empty() && base_url.back() == '/') base_url.remove_suffix(1);
  const std::size_t host = base_url.find("://");
  const bool bare = host != std::string_view::npos && base_url.find('/', host + 3) == std::string_view::npos;
  return std::string(base_url) + (bare ? "/v1" : "") + "/chat/completions";
}

std::string chat_request_body(const ChatRequest& request, const ChatDialect& dialect) {
  Json messages = Json::array();
  for (const ChatMessage& message : request.messages) {
    messages.push_back({{"role", message.role}, {"content", message.content}});
  }
  Json body = {{"model", request.model}, {"stream", true}, {"messages", std::move(messages)}};
  if (dialect.temperature) body["temperature"] = request.temperature;
  if (request.max_tokens > 0) {
    body[dialect.completion_tokens ? "max_completion_tokens" : "max_tokens"] = request.max_tokens;
  }
  if (dialect.stream_options) body["stream_options"] = {{"include_usage", true}};
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<ChatChunk> parse_chat_chunk(std::string_view data) {
  Json root = Json::parse(data, nullptr, false);
  // Some servers cut tokens inside a code point.
  if (root.is_discarded()) root = Json::parse(text::repair_utf8(data), nullptr, false);
  if (!root.is_object())
    return Error{ErrorCode::kUpstream, "The model server sent something that is not JSON."};
  ChatChunk chunk;
  if (!member(root, "error").is_null()) {
    chunk.error = said_in(data);
    if (chunk.error.empty()) chunk.error = "no reason given";
    return chunk;
  }
  const Json& choices = member(root, "choices");
  if (choices.is_array() && !choices.empty()) {
    const Json& choice = choices.front();
    const Json& delta =
        member(choice, "delta").is_object() ? member(choice, "delta") : member(choice, "message");
    chunk.text = string_of(member(delta, "content"));
    chunk.thinking = chunk.text.empty() && (!string_of(member(delta, "reasoning_content")).empty() ||
                                            !string_of(member(delta, "reasoning")).empty());
    chunk.finish_reason = string_of(member(choice, "finish_reason"));
  }
  const Json& usage = member(root, "usage");
  if (usage.is_object()) {
    chunk.has_usage = true;
    chunk.input_tokens = count_of(member(usage, "prompt_tokens"));
    chunk.output_tokens = count_of(member(usage, "completion_tokens"));
  }
  return chunk;
}

std::string clean_message(std::string_view message, std::string_view key) {
  constexpr std::size_t kMaxBytes = 300;
  std::string clean = text::repair_utf8(message);
  for (std::size_t at = 0; !key.empty() && (at = clean.find(key, at)) != std::string::npos;) {
    clean.replace(at, key.size(), "[secret]");
  }
  clean.resize(text::floor_boundary(clean, kMaxBytes));
  for (char& c : clean) c = c == '\n' || c == '\r' ? ' ' : c;
  return clean;
}

ChatFailure chat_failure(int status, std::string_view body, std::string_view key) {
  const std::string said = clean_message(said_in(body), key);
  const bool no_credit = said.find("quota") != std::string::npos || said.find("billing") != std::string::npos;
  ChatFailure failure;
  failure.retryable = status == 408 || status == 409 || (status == 429 && !no_credit) || status >= 500;
  if (status == 401 || status == 403) {
    failure.message = "The model server refused the key";
  } else if (status == 404) {
    failure.message = "The model server does not know this model or address";
  } else {
    failure.message = "The model server failed";
  }
  failure.message += " (" + std::to_string(status) + ")" + (said.empty() ? "." : ": " + said);
  return failure;
}

bool adapt_dialect(ChatDialect& dialect, int status, std::string_view body) {
  if (status != 400 && status != 422) return false;
  const auto mentions = [&](std::string_view name) { return body.find(name) != std::string_view::npos; };
  if (dialect.stream_options && (mentions("stream_options") || mentions("include_usage"))) {
    dialect.stream_options = false;
    return true;
  }
  if (!dialect.completion_tokens && mentions("max_completion_tokens")) {
    dialect.completion_tokens = true;
    return true;
  }
  if (dialect.temperature && mentions("temperature")) {
    dialect.temperature = false;
    return true;
  }
  return false;
}

std::uint64_t estimate_tokens(std::string_view text) {
  std::uint64_t quarters = 0;
  for (std::size_t at = 0; at < text.size();) quarters += text::next_code_point(text, at) >= 0x2E80 ? 4 : 1;
  return (quarters + 3) / 4;
}

}  // namespace answermill::generate
