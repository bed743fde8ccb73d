#include "frontend/server/dialects/ui_messages.h"

#include <set>

#include "frontend/server/dialects/append_only_text.h"
#include "frontend/server/dialects/openai_json.h"
#include "frontend/server/dialects/sse.h"
#include "shared/messages/codec.h"

namespace answermill::frontend::ui {
namespace {

using messages::StreamEventKind;
using openai::data_event;

constexpr char kTextPart[] = "answer";

std::string_view media_type(std::string_view name) {
  if (name.ends_with(".pdf")) return "application/pdf";
  if (name.ends_with(".md")) return "text/markdown";
  if (name.ends_with(".txt")) return "text/plain";
  return "application/octet-stream";
}

class UiWire final : public AnswerWire {
 public:
  std::string_view content_type() const override { return sse::kType; }
  std::vector<std::pair<std::string, std::string>> headers() const override {
    return {{"X-Vercel-AI-UI-Message-Stream", "v1"}};
  }
  std::string_view keep_alive() const override { return sse::kKeepAlive; }

  std::string started(const AnswerView& answer, double) override {
    return data_event(
               {{"type", "start"},
                {"messageId", openai::id_of("msg_", answer.stream)},
                {"messageMetadata", {{"stream", answer.stream}, {"conversation", answer.conversation}}}}) +
           data_event({{"type", "start-step"}});
  }

  std::string event(const AnswerView& answer, const messages::StreamEvent& event, double) override {
    switch (event.kind) {
      case StreamEventKind::kStatus:
        return data_event(
            {{"type", "data-status"}, {"data", stream_event_json(event).data}, {"transient", true}});
      case StreamEventKind::kSources:
        return sources(answer) +
               data_event({{"type", "data-sources"}, {"data", stream_event_json(event).data}});
      case StreamEventKind::kToken:
        return text(answer);
      case StreamEventKind::kCitation:
        return data_event({{"type", "data-citation"}, {"data", stream_event_json(event).data}});
      case StreamEventKind::kRewind:
        shown_.rewound();
        return {};
      case StreamEventKind::kTerminal:
        return end(answer);
      case StreamEventKind::kResult:
        return {};
    }
    return {};
  }

  std::string refused(const AnswerView&, const Error& error, double) override {
    return failure(error.message);
  }

 private:
  static std::string failure(std::string_view message) {
    return data_event({{"type", "error"}, {"errorText", message}}) + "data: [DONE]\n\n";
  }

  // Each document once; the passages themselves are in data-sources.
  static std::string sources(const AnswerView& answer) {
    std::string out;
    std::set<std::string> known;
    if (!answer.sources) return out;
    for (const auto& passage : answer.sources->passages) {
      if (!known.insert(passage.document).second) continue;
      out += data_event({{"type", "source-document"},
                         {"sourceId", passage.document},
                         {"mediaType", media_type(passage.document_name)},
                         {"title", passage.document_name},
                         {"filename", passage.document_name}});
    }
    return out;
  }

  std::string text(const AnswerView& answer) {
    const std::string_view more = shown_.more(answer.text);
    if (more.empty()) return {};
    std::string out;
    if (!std::exchange(open_, true)) out = data_event({{"type", "text-start"}, {"id", kTextPart}});
    return out + data_event({{"type", "text-delta"}, {"id", kTextPart}, {"delta", more}});
  }

  std::string end(const AnswerView& answer) {
    if (answer.status == MessageStatus::kCancelled) {
      return data_event({{"type", "abort"}}) + "data: [DONE]\n\n";
    }
    if (const auto bad = openai::bad_end(answer)) return failure(bad->message);
    std::string out = text(answer);
    if (!shown_.agrees(answer.text) || shown_.shown_bytes() != answer.text.size()) {
      return failure("The answer was begun anew with other words: ask again, or read it at /api/streams/" +
                     answer.stream);
    }
    if (open_) out += data_event({{"type", "text-end"}, {"id", kTextPart}});
    out += data_event({{"type", "finish-step"}});
    out += data_event({{"type", "finish"},
                       {"messageMetadata",
                        {{"stream", answer.stream},
                         {"conversation", answer.conversation},
                         {"length", answer.text.size()},
                         {"sha256", answer.sha256},
                         {"meta", answer.meta ? meta_json(*answer.meta) : Json(nullptr)}}}});
    return out + "data: [DONE]\n\n";
  }

  AppendOnlyText shown_;
  bool open_ = false;
};

}  // namespace

Result<ChatBody> parse(std::string_view bytes) {
  auto object = JsonObject::parse(bytes);
  if (!object) return object.error();
  ChatBody body;
  body.chat = object->text("id");
  body.collection = object->text("collection");
  if (auto wrong = object->wrong_type()) return *wrong;
  auto prompt = openai::prompt_of(object->find("messages"), "messages");
  if (!prompt) return prompt.error();
  body.prompt = std::move(*prompt);
  return body;
}

std::unique_ptr<AnswerWire> answer_wire() { return std::make_unique<UiWire>(); }

}  // namespace answermill::frontend::ui
