#include "frontend/server/dialects/openai.h"

#include <array>
#include <bit>
#include <cstring>

#include "frontend/server/dialects/http_json.h"
#include "frontend/server/dialects/openai_json.h"
#include "shared/base/ids.h"
#include "shared/text/utf8.h"

namespace answermill::frontend::openai {
namespace {

constexpr std::size_t kMaxInputs = 2048;

std::string_view error_type(int status) {
  if (status == 401) return "authentication_error";
  if (status == 403) return "permission_error";
  if (status == 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

Json model_json(std::string_view id, std::int64_t created_ms) {
  return {{"id", id}, {"object", "model"}, {"created", created_ms / 1000}, {"owned_by", "answermill"}};
}

Json file_json(const DocumentView& view) {
  const DocumentRow& row = view.row;
  std::string_view status = "uploaded";
  if (row.state == DocumentState::kReady) status = "processed";
  if (row.state == DocumentState::kFailed) status = "error";
  return {{"id", row.id},
          {"object", "file"},
          {"bytes", row.size},
          {"created_at", row.created_ms / 1000},
          {"filename", row.name},
          {"purpose", "assistants"},
          {"status", status},
          {"status_details", row.state == DocumentState::kFailed ? Json(row.error.message) : Json(nullptr)},
          {"collection", row.collection}};
}

// The text of a message: a string, or the text parts of an array.
std::optional<std::string> content_of(const nlohmann::json& content) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) return std::nullopt;
  std::string text;
  for (const auto& part : content) {
    if (part.is_string()) {
      text += part.get<std::string>();
      continue;
    }
    if (!part.is_object()) return std::nullopt;
    const auto found = part.find("text");
    if (found != part.end() && found->is_string()) text += found->get<std::string>();
  }
  return text;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t b = 0; b < 3; ++b) {
      group = group << 8U | (i + b < bytes.size() ? static_cast<unsigned char>(bytes[i + b]) : 0U);
    }
    for (std::size_t c = 0; c < 4; ++c) {
      const bool padding = i + c > bytes.size();
      out += padding ? '=' : kAlphabet[group >> (18 - 6 * c) & 63U];
    }
  }
  return out;
}

Json numbers_of(std::string_view little_endian) {
  Json numbers = Json::array();
  for (std::size_t i = 0; i + 4 <= little_endian.size(); i += 4) {
    std::uint32_t bits = 0;
    for (std::size_t b = 0; b < 4; ++b) {
      bits |= static_cast<std::uint32_t>(static_cast<unsigned char>(little_endian[i + b])) << (8 * b);
    }
    numbers.push_back(std::bit_cast<float>(bits));
  }
  return numbers;
}

}  // namespace

std::string collection_of(std::string_view model) {
  return std::string(model.empty() || model == kModel ? kDefaultCollection : model);
}

std::string model_of(std::string_view collection) {
  return std::string(collection == kDefaultCollection ? kModel : collection);
}

std::string id_of(std::string_view prefix, std::string_view stream) {
  return std::string(prefix) + std::string(stream);
}

std::string stream_of(std::string_view prefix, std::string_view id) {
  if (!id.starts_with(prefix)) return {};
  const std::string_view stream = id.substr(prefix.size());
  return topic_of_stream(stream).empty() ? std::string() : std::string(stream);
}

Json error_json(const Error& error) {
  Json out = {{"message", error.message},
              {"type", error_type(http_status(error.code))},
              {"param", nullptr},
              {"code", to_string(error.code)}};
  add_retry_after(out, error);
  return out;
}

std::string error(const Error& error) { return dump(Json{{"error", error_json(error)}}); }

std::string denied(const Denial& denial) {
  Json error = error_json(denial.error);
  if (denial.error.code == ErrorCode::kUnauthorized) error["code"] = "invalid_api_key";
  if (denial.error.code == ErrorCode::kForbidden) error["code"] = "insufficient_permissions";
  if (denial.error.code == ErrorCode::kRateLimited) error["code"] = "rate_limit_exceeded";
  add_denial(error, denial);
  return dump(Json{{"error", std::move(error)}});
}

std::optional<Error> bad_end(const AnswerView& answer) {
  if (answer.status == MessageStatus::kCancelled) {
    return Error{ErrorCode::kCancelled, "The answer was cancelled."};
  }
  if (answer.status != MessageStatus::kFailed && answer.status != MessageStatus::kExpired)
    return std::nullopt;
  return Error{answer.error.code == ErrorCode::kOk ? ErrorCode::kInternal : answer.error.code,
               answer.error.message.empty() ? "The answer failed." : answer.error.message};
}

Json extension_json(const AnswerView& answer) {
  Json out = {{"stream", answer.stream}, {"conversation", answer.conversation}};
  add_answer_fields(out, answer);
  out.erase("text");
  out["sha256"] = answer.sha256;
  return out;
}

bool is_estimated(const messages::AnswerMeta& meta) { return meta.mode == "model" && !meta.tokens_measured; }

std::string finish_reason(const AnswerView& answer) {
  return answer.meta && !answer.meta->finish_reason.empty() ? answer.meta->finish_reason : "stop";
}

Result<Prompt> prompt_of(const nlohmann::json* messages, const char* name) {
  const Error wrong{ErrorCode::kInvalidArgument,
                    std::string("\"") + name + "\" must hold messages, at least one of them a user's text."};
  if (messages == nullptr) return wrong;
  if (messages->is_string()) return Prompt{messages->get<std::string>(), {}, {}};
  if (!messages->is_array()) return wrong;
  std::vector<messages::Turn> turns;
  std::string instructions;
  for (const auto& message : *messages) {
    if (!message.is_object()) return wrong;
    const auto role = message.find("role");
    auto content = message.find("content");
    if (content == message.end()) content = message.find("parts");
    if (role == message.end() || !role->is_string() || content == message.end()) continue;
    const auto speaker = role->get<std::string>();
    const bool instructs = speaker == "system" || speaker == "developer";
    if (!instructs && speaker != "user" && speaker != "assistant") continue;
    auto text = content_of(*content);
    if (!text) return wrong;
    if (instructs) {
      instructions += (instructions.empty() ? "" : "\n") + *text;
      continue;
    }
    turns.push_back({speaker, std::move(*text)});
  }
  while (!turns.empty() && turns.back().role != "user") turns.pop_back();
  if (turns.empty()) return wrong;
  Prompt prompt;
  prompt.question = std::move(turns.back().text);
  turns.pop_back();
  prompt.history = std::move(turns);
  prompt.instructions = std::move(instructions);
  return prompt;
}

Result<Sampling> sampling_of(const JsonObject& object, std::initializer_list<const char*> max_names) {
  Sampling sampling;
  if (const auto* temperature = object.find("temperature")) {
    if (!temperature->is_number() || *temperature < 0 || *temperature > 2) {
      return Error{ErrorCode::kInvalidArgument, "\"temperature\" must be a number from 0 to 2."};
    }
    sampling.temperature = temperature->get<double>();
  }
  for (const char* name : max_names) {
    const auto* most = object.find(name);
    if (most == nullptr) continue;
    constexpr std::uint64_t kMost = 1'000'000;
    if (!most->is_number_unsigned() || *most == 0 || *most > kMost) {
      return Error{ErrorCode::kInvalidArgument,
                   std::string("\"") + name + "\" must be a whole number from 1 to 1000000."};
    }
    sampling.max_tokens = most->get<std::uint32_t>();
  }
  return sampling;
}

std::string data_event(const Json& data) { return "data: " + dump(data) + "\n\n"; }

std::string models(const std::vector<CollectionRow>& collections) {
  Json data = Json::array();
  for (const auto& row : collections) data.push_back(model_json(model_of(row.name), row.created_ms));
  return dump(Json{{"object", "list"}, {"data", std::move(data)}});
}

std::string model(const CollectionRow& collection) {
  return dump(model_json(model_of(collection.name), collection.created_ms));
}

std::string file(const DocumentView& document) { return dump(file_json(document)); }

std::string files(const std::vector<DocumentView>& documents) {
  Json data = Json::array();
  for (const auto& document : documents) data.push_back(file_json(document));
  return dump(Json{{"object", "list"}, {"data", std::move(data)}, {"has_more", false}});
}

std::string file_deleted(std::string_view id) {
  return dump(Json{{"id", id}, {"object", "file"}, {"deleted", true}});
}

Result<EmbeddingsBody> parse_embeddings(std::string_view bytes) {
  auto object = JsonObject::parse(bytes);
  if (!object) return object.error();
  EmbeddingsBody body;
  const auto* input = object->find("input");
  if (input != nullptr && input->is_string()) {
    body.input.push_back(input->get<std::string>());
  } else {
    body.input = object->texts("input");
  }
  const std::string format = object->text("encoding_format");
  body.base64 = format == "base64";
  body.query = object->text("input_type") == "query";
  body.dimensions = object->number("dimensions").value_or(0);
  if (auto wrong = object->wrong_type()) return *wrong;
  if (!format.empty() && format != "float" && format != "base64") {
    return Error{ErrorCode::kInvalidArgument, "\"encoding_format\" is float or base64."};
  }
  if (body.input.empty() || body.input.size() > kMaxInputs) {
    return Error{ErrorCode::kInvalidArgument, "\"input\" holds 1 to 2048 texts."};
  }
  for (const auto& text : body.input) {
    if (text.empty()) return Error{ErrorCode::kInvalidArgument, "\"input\" holds an empty text."};
  }
  return body;
}

std::string embeddings(const EmbeddingsBody& body, std::string_view model, std::uint32_t dimension,
                       std::string_view vectors) {
  const std::size_t width = std::size_t{dimension} * sizeof(float);
  Json data = Json::array();
  std::uint64_t tokens = 0;
  for (std::size_t i = 0; i < body.input.size(); ++i) {
    const std::string_view vector = vectors.substr(std::min(i * width, vectors.size()), width);
    data.push_back({{"object", "embedding"},
                    {"index", i},
                    {"embedding", body.base64 ? Json(base64(vector)) : numbers_of(vector)}});
    // Nobody counts here: the usual estimate, a token for four characters.
    tokens += (text::count_code_points(body.input[i]) + 3) / 4;
  }
  return dump(Json{{"object", "list"},
                   {"data", std::move(data)},
                   {"model", model},
                   {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}, {"estimated", true}}}});
}

}  // namespace answermill::frontend::openai
