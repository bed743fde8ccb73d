#include "frontend/server/dialects/sse.h"

#include <functional>

#include "frontend/server/dialects/json_objects.h"
#include "shared/base/sha256.h"

namespace answermill::frontend::sse {
namespace {

// JSON holds no line ends, so one data line is enough.
std::string event_text(std::string_view id, std::string_view name, const Json& data) {
  std::string out;
  if (!id.empty()) out.append("id: ").append(id).append("\n");
  out.append("event: ").append(name).append("\ndata: ").append(dump(data)).append("\n\n");
  return out;
}

class SseWire final : public AnswerWire {
 public:
  SseWire(Shape shape, Place place) : shape_(shape), place_(place) {}

  std::string_view content_type() const override { return kType; }
  std::uint64_t after_seq() const override { return place_.after_seq; }
  bool needs_answer() const override { return false; }
  std::string started(const AnswerView& answer, double now) override {
    return retry(answer.stream, now) + (place_.resumed ? std::string("\n") : sse::started(answer));
  }
  std::string event(const AnswerView&, const messages::StreamEvent& event, double) override {
    return belongs(event.kind, shape_) ? stream_event(event) : std::string();
  }
  std::string refused(const AnswerView&, const Error& error, double) override { return sse::error(error); }
  std::string_view keep_alive() const override { return kKeepAlive; }

 private:
  Shape shape_;
  Place place_;
};

}  // namespace

std::string retry(std::string_view id, double now) {
  constexpr std::size_t kShortestMs = 1000;
  constexpr std::size_t kSpreadMs = 2000;
  const std::size_t chance = std::hash<double>{}(now) ^ std::hash<std::string_view>{}(id);
  return "retry: " + std::to_string(kShortestMs + chance % kSpreadMs) + "\n";
}

std::string started(const AnswerView& answer) {
  return event_text("0", "started",
                    Json{{"stream", answer.stream},
                         {"conversation", answer.conversation},
                         {"question", answer.question},
                         {"collection", answer.collection}});
}

std::string stream_event(const messages::StreamEvent& event) {
  const NamedEvent named = stream_event_json(event);
  return named.name.empty() ? std::string()
                            : event_text(std::to_string(event.last_seq), named.name, named.data);
}

std::string document(const DocumentView& view) { return event_text({}, "document", document_json(view)); }

std::string error(const Error& error) {
  return event_text(
      {}, "failed",
      Json{{"length", 0}, {"sha256", sha256_hex({})}, {"meta", nullptr}, {"error", error_object(error)}});
}

std::unique_ptr<AnswerWire> answer_wire(Shape shape, Place place) {
  return std::make_unique<SseWire>(shape, place);
}

}  // namespace answermill::frontend::sse
