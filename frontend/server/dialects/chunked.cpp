#include "frontend/server/dialects/chunked.h"

#include <string>

#include "frontend/server/dialects/append_only_text.h"
#include "frontend/server/dialects/json_objects.h"
#include "shared/base/sha256.h"

namespace answermill::frontend {

bool belongs(messages::StreamEventKind kind, Shape shape) {
  using messages::StreamEventKind;
  return shape == Shape::kEvents || kind == StreamEventKind::kToken || kind == StreamEventKind::kRewind ||
         kind == StreamEventKind::kTerminal;
}

namespace chunked {
namespace {

class TextWire final : public AnswerWire {
 public:
  explicit TextWire(std::size_t offset) : shown_(offset) {}

  std::string_view content_type() const override { return kTextType; }
  std::string started(const AnswerView&, double) override { return {}; }
  std::string event(const AnswerView& answer, const messages::StreamEvent& event, double) override {
    if (event.kind == messages::StreamEventKind::kRewind) shown_.rewound();
    if (event.kind == messages::StreamEventKind::kTerminal) {
      broken_ = answer.status == MessageStatus::kFailed || answer.status == MessageStatus::kExpired ||
                shown_.shown_bytes() != answer.text.size() || !shown_.agrees(answer.text);
    }
    return std::string(shown_.more(answer.text));
  }
  std::string refused(const AnswerView&, const Error&, double) override {
    broken_ = true;
    return {};
  }
  std::string_view keep_alive() const override { return {}; }
  bool broken() const override { return broken_; }

 private:
  AppendOnlyText shown_;
  bool broken_ = false;
};

std::string line(Json json, double now) {
  json["timestamp"] = now;
  return dump(json) + "\n";
}

class LinesWire final : public AnswerWire {
 public:
  LinesWire(Shape shape, Place place) : shape_(shape), place_(place) {}

  std::string_view content_type() const override { return kLinesType; }
  std::uint64_t after_seq() const override { return place_.after_seq; }
  bool needs_answer() const override { return false; }
  std::string started(const AnswerView& answer, double now) override {
    if (place_.resumed) return {};
    return line({{"type", "started"},
                 {"seq", 0},
                 {"stream", answer.stream},
                 {"conversation", answer.conversation},
                 {"question", answer.question},
                 {"collection", answer.collection}},
                now);
  }
  std::string event(const AnswerView&, const messages::StreamEvent& event, double now) override {
    if (!belongs(event.kind, shape_)) return {};
    NamedEvent named = stream_event_json(event);
    if (named.name.empty()) return {};
    Json out = {{"type", named.name}, {"seq", event.last_seq}, {"first_seq", event.first_seq}};
    out.update(named.data);
    return line(std::move(out), now);
  }
  std::string refused(const AnswerView&, const Error& error, double now) override {
    return line({{"type", "failed"},
                 {"length", 0},
                 {"sha256", sha256_hex({})},
                 {"meta", nullptr},
                 {"error", error_object(error)}},
                now);
  }
  // An empty line, which readers of this format skip.
  std::string_view keep_alive() const override { return "\n"; }

 private:
  Shape shape_;
  Place place_;
};

}  // namespace

std::unique_ptr<AnswerWire> text_wire(std::size_t offset) { return std::make_unique<TextWire>(offset); }

std::unique_ptr<AnswerWire> lines_wire(Shape shape, Place place) {
  return std::make_unique<LinesWire>(shape, place);
}

}  // namespace chunked
}  // namespace answermill::frontend
