#include "frontend/server/dialects/openai_responses.h"

#include <algorithm>

#include "frontend/server/dialects/append_only_text.h"
#include "frontend/server/dialects/openai_json.h"
#include "frontend/server/dialects/sse.h"

namespace answermill::frontend::openai {
namespace {

// created, in_progress, output_item.added and content_part.added have 0 to 3.
constexpr std::uint64_t kLastOpening = 3;

std::string_view status_of_response(const AnswerView& answer) {
  switch (answer.status) {
    case MessageStatus::kStreaming:
      return "in_progress";
    case MessageStatus::kDone:
      return "completed";
    case MessageStatus::kCancelled:
      return "cancelled";
    case MessageStatus::kFailed:
    case MessageStatus::kExpired:
      return "failed";
  }
  return "failed";
}

Json usage_json(const AnswerView& answer) {
  if (!answer.meta) return nullptr;
  const auto& meta = *answer.meta;
  return {{"input_tokens", meta.input_tokens},
          {"output_tokens", meta.output_tokens},
          {"total_tokens", meta.input_tokens + meta.output_tokens},
          {"estimated", is_estimated(meta)}};
}

std::string message_id(const AnswerView& answer) { return id_of("msg_", answer.stream); }

// A citation as an annotation: `index` is the place of the file among the sources.
Json annotation_json(const messages::CitationEvent& citation, const AnswerView& answer) {
  std::string name;
  if (answer.sources && citation.number >= 1 && citation.number <= answer.sources->passages.size()) {
    name = answer.sources->passages[citation.number - 1].document_name;
  }
  return {{"type", "file_citation"},
          {"file_id", citation.document},
          {"filename", name},
          {"index", citation.number == 0 ? 0 : citation.number - 1}};
}

Json part_json(const AnswerView& answer, bool whole) {
  Json annotations = Json::array();
  for (const auto& citation : answer.citations) {
    if (whole) annotations.push_back(annotation_json(citation, answer));
  }
  return {{"type", "output_text"},
          {"text", whole ? answer.text : std::string()},
          {"annotations", std::move(annotations)},
          {"logprobs", Json::array()}};
}

Json item_json(const AnswerView& answer, bool whole) {
  std::string_view status = "in_progress";
  if (whole) status = answer.status == MessageStatus::kDone ? "completed" : "incomplete";
  Json content = Json::array();
  if (whole) content.push_back(part_json(answer, true));
  return {{"id", message_id(answer)},
          {"type", "message"},
          {"status", status},
          {"role", "assistant"},
          {"content", std::move(content)}};
}

Json response_json(const ResponseFacts& facts, const AnswerView& answer) {
  const auto bad = bad_end(answer);
  Json output = Json::array();
  if (!answer.text.empty() || answer.status != MessageStatus::kStreaming) {
    output.push_back(item_json(answer, answer.status != MessageStatus::kStreaming));
  }
  const bool failed = bad && answer.status != MessageStatus::kCancelled;
  return {
      {"id", id_of(kResponsePrefix, answer.stream)},
      {"object", "response"},
      {"created_at", facts.created},
      {"status", status_of_response(answer)},
      {"background", false},
      {"error", failed ? Json{{"code", "server_error"}, {"message", bad->message}} : Json(nullptr)},
      {"incomplete_details", nullptr},
      {"instructions", nullptr},
      {"max_output_tokens", facts.sampling.max_tokens == 0 ? Json(nullptr) : Json(facts.sampling.max_tokens)},
      {"metadata", Json::object()},
      {"model", model_of(answer.collection)},
      {"output", std::move(output)},
      {"parallel_tool_calls", false},
      {"previous_response_id", facts.previous.empty() ? Json(nullptr) : Json(facts.previous)},
      {"store", true},
      {"temperature", facts.sampling.temperature < 0 ? Json(nullptr) : Json(facts.sampling.temperature)},
      {"text", {{"format", {{"type", "text"}}}}},
      {"tool_choice", "none"},
      {"tools", Json::array()},
      {"top_p", nullptr},
      {"truncation", "disabled"},
      {"usage", usage_json(answer)},
      {"answermill", extension_json(answer)}};
}

class ResponsesWire final : public AnswerWire {
 public:
  ResponsesWire(ResponseFacts facts, std::optional<std::uint64_t> starting_after)
      : facts_(std::move(facts)),
        after_(starting_after),
        shown_(after_.value_or(0) > kLastOpening ? *after_ - kLastOpening : 0) {}

  std::string_view content_type() const override { return sse::kType; }
  std::string_view keep_alive() const override { return sse::kKeepAlive; }

  std::string started(const AnswerView& answer, double) override {
    const Json response = response_json(facts_, answer);
    return tell(0, "response.created", {{"response", response}}) +
           tell(1, "response.in_progress", {{"response", response}}) +
           tell(2, "response.output_item.added", {{"output_index", 0}, {"item", item_json(answer, false)}}) +
           tell(3, "response.content_part.added", in_part(answer, {{"part", part_json(answer, false)}}));
  }

  std::string event(const AnswerView& answer, const messages::StreamEvent& event, double) override {
    if (event.kind == messages::StreamEventKind::kRewind) shown_.rewound();
    const std::string_view more = shown_.more(answer.text);
    std::string out;
    if (!more.empty()) {
      out = tell(kLastOpening + shown_.shown_bytes(), "response.output_text.delta",
                 in_part(answer, {{"delta", more}, {"logprobs", Json::array()}}));
    }
    if (event.kind == messages::StreamEventKind::kTerminal) out += end(answer);
    return out;
  }

  std::string refused(const AnswerView&, const Error& error, double) override {
    const std::uint64_t number = std::max(next_, after_.value_or(0) + 1);
    return tell(number, "error",
                {{"code", to_string(error.code)}, {"message", error.message}, {"param", nullptr}});
  }

 private:
  // The whole text comes once more at the end, so a text that took another turn ends right too.
  std::string end(const AnswerView& answer) {
    std::uint64_t number = kLastOpening + std::max(shown_.shown_bytes(), answer.text.size());
    std::string out;
    for (std::size_t i = 0; i < answer.citations.size(); ++i) {
      out += tell(++number, "response.output_text.annotation.added",
                  in_part(answer, {{"annotation_index", i},
                                   {"annotation", annotation_json(answer.citations[i], answer)}}));
    }
    out += tell(++number, "response.output_text.done",
                in_part(answer, {{"text", answer.text}, {"logprobs", Json::array()}}));
    out += tell(++number, "response.content_part.done", in_part(answer, {{"part", part_json(answer, true)}}));
    out +=
        tell(++number, "response.output_item.done", {{"output_index", 0}, {"item", item_json(answer, true)}});
    const bool good = answer.status == MessageStatus::kDone;
    const bool cancelled = answer.status == MessageStatus::kCancelled;
    const char* failed = cancelled ? "response.incomplete" : "response.failed";
    // Never left out, even for a reader that was beyond what survived a failure.
    number = std::max(number + 1, after_.value_or(0) + 1);
    return out +
           tell(number, good ? "response.completed" : failed, {{"response", response_json(facts_, answer)}});
  }

  static Json in_part(const AnswerView& answer, const Json& fields) {
    Json out = {{"item_id", message_id(answer)}, {"output_index", 0}, {"content_index", 0}};
    out.update(fields);
    return out;
  }

  std::string tell(std::uint64_t number, const char* type, const Json& fields) {
    next_ = number + 1;
    if (after_ && number <= *after_) return {};
    Json data = {{"type", type}, {"sequence_number", number}};
    data.update(fields);
    return std::string("event: ") + type + "\n" + data_event(data);
  }

  ResponseFacts facts_;
  std::optional<std::uint64_t> after_;
  AppendOnlyText shown_;
  std::uint64_t next_ = 0;
};

}  // namespace

Result<ResponsesBody> parse_responses(std::string_view bytes) {
  auto object = JsonObject::parse(bytes);
  if (!object) return object.error();
  ResponsesBody body;
  body.model = object->text("model");
  body.previous = object->text("previous_response_id");
  const std::string instructions = object->text("instructions");
  body.stream = object->flag("stream");
  if (object->flag("background")) {
    return Error{ErrorCode::kInvalidArgument, "\"background\" is not for this server: every answer goes on."};
  }
  if (auto wrong = object->wrong_type()) return *wrong;
  auto sampling = sampling_of(*object, {"max_output_tokens"});
  if (!sampling) return sampling.error();
  body.sampling = *sampling;
  auto prompt = prompt_of(object->find("input"), "input");
  if (!prompt) return prompt.error();
  body.prompt = std::move(*prompt);
  if (!instructions.empty()) {
    auto& all = body.prompt.instructions;
    all = all.empty() ? instructions : instructions + "\n" + all;
  }
  return body;
}

std::unique_ptr<AnswerWire> responses_wire(ResponseFacts facts, std::optional<std::uint64_t> starting_after) {
  return std::make_unique<ResponsesWire>(std::move(facts), starting_after);
}

std::string response(const ResponseFacts& facts, const AnswerView& answer) {
  return dump(response_json(facts, answer));
}

}  // namespace answermill::frontend::openai
