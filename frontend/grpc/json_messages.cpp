#include "frontend/grpc/json_messages.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>

namespace answermill::grpc_bridge {
namespace {

using Json = nlohmann::json;

Json parse(std::string_view text) { return Json::parse(text, nullptr, false); }

template <class Message>
Result<Message> message_of(const Json& json) {
  const Error malformed{ErrorCode::kMalformed, "The frontend said something that cannot be read."};
  if (!json.is_object()) return malformed;
  Message message;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto status = google::protobuf::util::JsonStringToMessage(
      json.dump(-1, ' ', false, Json::error_handler_t::replace), &message, options);
  if (!status.ok()) return malformed;
  return message;
}

bool is_end(const std::string& type) {
  return type == "done" || type == "cancelled" || type == "failed" || type == "expired";
}

ErrorCode code_named(std::string_view name, ErrorCode otherwise) {
  for (const auto code :
       {ErrorCode::kInvalidArgument, ErrorCode::kNotFound, ErrorCode::kConflict, ErrorCode::kUnavailable,
        ErrorCode::kTooLarge, ErrorCode::kUnauthorized, ErrorCode::kForbidden, ErrorCode::kRateLimited,
        ErrorCode::kBusy, ErrorCode::kMalformed, ErrorCode::kTimeout, ErrorCode::kDiskFull,
        ErrorCode::kUnsupported, ErrorCode::kEmptyFile}) {
    if (to_string(code) == name) return code;
  }
  return otherwise;
}

}  // namespace

Result<std::optional<v1::AnswerEvent>> answer_event(std::string_view line) {
  if (line.empty()) return std::optional<v1::AnswerEvent>();
  const Json json = parse(line);
  if (!json.is_object() || !json.contains("type") || !json["type"].is_string()) {
    return Error{ErrorCode::kMalformed, "The frontend said something that is no event."};
  }
  const std::string type = json["type"];
  Json event = json;
  if (is_end(type)) event["status"] = type;
  Json out = {{is_end(type) ? "end" : type, std::move(event)}};
  for (const char* name : {"seq", "first_seq", "timestamp"}) {
    if (json.contains(name)) out[name] = json[name];
  }
  auto message = message_of<v1::AnswerEvent>(out);
  if (!message) return message.error();
  if (message->event_case() == v1::AnswerEvent::EVENT_NOT_SET) return std::optional<v1::AnswerEvent>();
  return std::optional<v1::AnswerEvent>(std::move(*message));
}

Result<v1::Document> document(std::string_view json) { return message_of<v1::Document>(parse(json)); }

Result<v1::Document> first_document(std::string_view text) {
  const Json json = parse(text);
  if (!json.is_object() || !json.contains("documents") || !json["documents"].is_array() ||
      json["documents"].empty()) {
    return Error{ErrorCode::kMalformed, "The frontend named no document."};
  }
  return message_of<v1::Document>(json["documents"][0]);
}

Result<v1::SearchReply> search_reply(std::string_view json) {
  return message_of<v1::SearchReply>(parse(json));
}

std::string ask_body(const v1::AskRequest& request) {
  Json body = {{"question", request.question()}};
  if (!request.collection().empty()) body["collection"] = request.collection();
  if (!request.conversation().empty()) body["conversation"] = request.conversation();
  if (!request.request_id().empty()) body["request_id"] = request.request_id();
  for (const auto& id : request.documents()) body["documents"].push_back(id);
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Error error_of(int status, std::string_view body) {
  const ErrorCode otherwise = status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kInvalidArgument;
  const Json json = parse(body);
  if (!json.is_object() || !json.contains("error") || !json["error"].is_object()) {
    return {otherwise, "The frontend answered " + std::to_string(status) + "."};
  }
  return {code_named(json["error"].value("code", ""), otherwise), json["error"].value("message", "")};
}

}  // namespace answermill::grpc_bridge
