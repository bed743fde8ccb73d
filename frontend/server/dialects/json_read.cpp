#include "frontend/server/dialects/json_read.h"

#include "shared/text/utf8.h"

namespace answermill::frontend {
namespace {
constexpr int kMaxDepth = 16;
}

Result<nlohmann::json> parse_json(std::string_view bytes) {
  const Error malformed{ErrorCode::kMalformed, "This is not JSON in UTF-8."};
  if (!text::is_valid_utf8(bytes)) return malformed;
  bool too_deep = false;
  const auto depth_guard = [&too_deep](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    too_deep = too_deep || depth > kMaxDepth;
    return !too_deep;
  };
  auto value = nlohmann::json::parse(bytes.begin(), bytes.end(), depth_guard, false);
  if (too_deep || value.is_discarded()) return malformed;
  return value;
}

Result<JsonObject> JsonObject::parse(std::string_view bytes) {
  auto value = parse_json(bytes);
  if (!value || !value->is_object()) {
    return Error{ErrorCode::kMalformed, "This is not a JSON object in UTF-8."};
  }
  return JsonObject(std::move(*value));
}

const nlohmann::json* JsonObject::find(const char* name) const {
  const auto found = value_.find(name);
  return found == value_.end() || found->is_null() ? nullptr : &*found;
}

void JsonObject::note(const char* name, const char* wanted) {
  if (!wrong_)
    wrong_ = Error{ErrorCode::kInvalidArgument, std::string("\"") + name + "\" must be " + wanted + "."};
}

std::string JsonObject::text(const char* name) {
  const auto* value = find(name);
  if (value == nullptr) return {};
  if (value->is_string()) return value->get<std::string>();
  note(name, "a string");
  return {};
}

std::vector<std::string> JsonObject::texts(const char* name) {
  const auto* value = find(name);
  if (value == nullptr) return {};
  std::vector<std::string> all;
  if (value->is_array()) {
    for (const auto& item : *value) {
      if (item.is_string()) all.push_back(item.get<std::string>());
    }
  }
  if (!value->is_array() || all.size() != value->size()) note(name, "an array of strings");
  return all;
}

std::optional<std::uint64_t> JsonObject::number(const char* name) {
  const auto* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_number_unsigned()) return value->get<std::uint64_t>();
  note(name, "a whole number, zero or more");
  return std::nullopt;
}

bool JsonObject::flag(const char* name) {
  const auto* value = find(name);
  if (value == nullptr) return false;
  if (value->is_boolean()) return value->get<bool>();
  note(name, "true or false");
  return false;
}

JsonObject JsonObject::object(const char* name) {
  const auto* value = find(name);
  if (value != nullptr && value->is_object()) return JsonObject(*value);
  if (value != nullptr) note(name, "an object");
  return JsonObject(nlohmann::json::object());
}

bool JsonObject::has(const char* name) const { return find(name) != nullptr; }
std::optional<Error> JsonObject::wrong_type() const { return wrong_; }

}  // namespace answermill::frontend
