#include "frontend/server/dialects/openai_chat.h"

#include <cmath>

#include "frontend/server/dialects/append_only_text.h"
#include "frontend/server/dialects/openai_json.h"
#include "frontend/server/dialects/sse.h"

namespace answermill::frontend::openai {
namespace {

Json usage_json(const AnswerView& answer) {
  if (!answer.meta) return nullptr;
  const auto& meta = *answer.meta;
  return {{"prompt_tokens", meta.input_tokens},
          {"completion_tokens", meta.output_tokens},
          {"total_tokens", meta.input_tokens + meta.output_tokens},
          {"estimated", is_estimated(meta)}};
}

class ChatWire final : public AnswerWire {
 public:
  explicit ChatWire(bool include_usage) : include_usage_(include_usage) {}

  std::string_view content_type() const override { return sse::kType; }
  std::string_view keep_alive() const override { return sse::kKeepAlive; }

  std::string started(const AnswerView& answer, double now) override {
    created_ = static_cast<std::int64_t>(std::floor(now));
    return chunk(answer, {{"role", "assistant"}, {"content", ""}}, nullptr);
  }

  std::string event(const AnswerView& answer, const messages::StreamEvent& event, double) override {
    if (event.kind == messages::StreamEventKind::kRewind) shown_.rewound();
    if (event.kind == messages::StreamEventKind::kTerminal) return end(answer);
    const std::string_view more = shown_.more(answer.text);
    return more.empty() ? std::string() : chunk(answer, {{"content", more}}, nullptr);
  }

  std::string refused(const AnswerView&, const Error& error, double) override {
    return data_event({{"error", error_json(error)}});
  }

 private:
  std::string end(const AnswerView& answer) {
    if (const auto bad = bad_end(answer)) return data_event({{"error", error_json(*bad)}});
    std::string out;
    if (const std::string_view more = shown_.more(answer.text); !more.empty()) {
      out = chunk(answer, {{"content", more}}, nullptr);
    }
    if (!shown_.agrees(answer.text) || shown_.shown_bytes() != answer.text.size()) {
      // Deltas cannot be taken back, and what was shown is not the answer.
      return data_event({{"error", error_json({ErrorCode::kUnavailable,
                                               "The answer was begun anew with other words: ask again, or "
                                               "read it at /api/streams/" +
                                                   answer.stream})}});
    }
    out += chunk(answer, Json::object(), finish_reason(answer), extension_json(answer));
    if (include_usage_) {
      Json last = frame(answer);
      last["choices"] = Json::array();
      last["usage"] = usage_json(answer);
      out += data_event(last);
    }
    return out + "data: [DONE]\n\n";
  }

  Json frame(const AnswerView& answer) const {
    return {{"id", id_of(kChatPrefix, answer.stream)},
            {"object", "chat.completion.chunk"},
            {"created", created_},
            {"model", model_of(answer.collection)}};
  }

  std::string chunk(const AnswerView& answer, Json delta, Json finish, Json extension = nullptr) const {
    Json out = frame(answer);
    out["choices"] = {{{"index", 0},
                       {"delta", std::move(delta)},
                       {"logprobs", nullptr},
                       {"finish_reason", std::move(finish)}}};
    if (include_usage_) out["usage"] = nullptr;
    if (!extension.is_null()) out["answermill"] = std::move(extension);
    return data_event(out);
  }

  bool include_usage_;
  std::int64_t created_ = 0;
  AppendOnlyText shown_;
};

}  // namespace

Result<ChatBody> parse_chat(std::string_view bytes) {
  auto object = JsonObject::parse(bytes);
  if (!object) return object.error();
  ChatBody body;
  body.model = object->text("model");
  body.stream = object->flag("stream");
  if (object->number("n").value_or(1) != 1) {
    return Error{ErrorCode::kInvalidArgument, "\"n\" can only be 1."};
  }
  if (auto wrong = object->wrong_type()) return *wrong;
  if (const auto* options = object->find("stream_options"); options != nullptr && options->is_object()) {
    const auto usage = options->find("include_usage");
    body.include_usage = usage != options->end() && usage->is_boolean() && usage->get<bool>();
  }
  auto sampling = sampling_of(*object, {"max_tokens", "max_completion_tokens"});
  if (!sampling) return sampling.error();
  body.sampling = *sampling;
  auto prompt = prompt_of(object->find("messages"), "messages");
  if (!prompt) return prompt.error();
  body.prompt = std::move(*prompt);
  return body;
}

std::unique_ptr<AnswerWire> chat_wire(const ChatBody& body) {
  return std::make_unique<ChatWire>(body.include_usage);
}

Result<std::string> chat_completion(const AnswerView& answer, std::int64_t created) {
  if (const auto bad = bad_end(answer)) return *bad;
  return dump(Json{{"id", id_of(kChatPrefix, answer.stream)},
                   {"object", "chat.completion"},
                   {"created", created},
                   {"model", model_of(answer.collection)},
                   {"choices",
                    {{{"index", 0},
                      {"message", {{"role", "assistant"}, {"content", answer.text}, {"refusal", nullptr}}},
                      {"logprobs", nullptr},
                      {"finish_reason", finish_reason(answer)}}}},
                   {"usage", usage_json(answer)},
                   {"answermill", extension_json(answer)}});
}

}  // namespace answermill::frontend::openai
