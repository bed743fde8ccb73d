#include "frontend/server/dialects/sse_chat.h"

#include <algorithm>
#include <charconv>

#include "frontend/server/dialects/json_objects.h"
#include "frontend/server/dialects/json_read.h"
#include "frontend/server/dialects/sse.h"
#include "shared/base/ids.h"
#include "shared/messages/codec.h"

namespace answermill::frontend::chat {
namespace {

using messages::StreamEventKind;

struct Step {
  std::string_view name;
  std::string_view message;
};
constexpr Step kLoading{"document_loading", "📄 Selecting relevant documents..."};
constexpr Step kPreparing{"query_preparation", "Preparing search query..."};
constexpr Step kSelecting{"document_selection", "📄 Selecting relevant documents..."};
constexpr Step kSearching{"vector_search", "Searching vector database..."};
constexpr Step kGenerating{"ai_generation", "🤖 Generating AI response..."};
constexpr Step kComplete{"complete", "✅ Response generation complete!"};

const std::vector<Step>& steps_of(Kind kind) {
  static const std::vector<Step> chat{kLoading, kGenerating, kComplete};
  static const std::vector<Step> fast{kPreparing, kSelecting, kSearching, kGenerating, kComplete};
  return kind == Kind::kChat ? chat : fast;
}

Json session_json(const Body& body) { return body.session_id ? Json(*body.session_id) : Json(nullptr); }

// Names of the documents that passages were found in, each once.
Json document_names(const AnswerView& answer) {
  Json names = Json::array();
  if (!answer.sources) return names;
  for (const auto& passage : answer.sources->passages) {
    if (std::find(names.begin(), names.end(), passage.document_name) == names.end()) {
      names.push_back(passage.document_name);
    }
  }
  return names;
}

Json result_json(const Body& body, const AnswerView& answer, double now) {
  Json out = {{"query", body.query}, {"response", answer.text}, {"documents", document_names(answer)}};
  add_answer_fields(out, answer);
  out.erase("text");
  out.erase("error");
  out["sha256"] = answer.sha256;
  out["collection"] = answer.collection;
  out["session_id"] = session_json(body);
  out["stream_id"] = answer.stream;
  out["timestamp"] = now;
  return out;
}

bool ended_badly(const AnswerView& answer) {
  return answer.status == MessageStatus::kFailed || answer.status == MessageStatus::kExpired ||
         answer.status == MessageStatus::kCancelled;
}

Error end_of(const AnswerView& answer) {
  if (answer.status == MessageStatus::kCancelled) return {ErrorCode::kCancelled, "The answer was cancelled."};
  return {answer.error.code == ErrorCode::kOk ? ErrorCode::kInternal : answer.error.code,
          answer.error.message.empty() ? "The answer failed." : answer.error.message};
}

class ChatWire final : public AnswerWire {
 public:
  ChatWire(Kind kind, Body body, std::optional<std::uint64_t> after_seq)
      : steps_(steps_of(kind)), body_(std::move(body)), after_seq_(after_seq) {}

  std::string_view content_type() const override { return sse::kType; }
  std::string_view keep_alive() const override { return ": heartbeat\n\n"; }

  std::string started(const AnswerView& answer, double now) override {
    if (steps_.front().name == kPreparing.name) say(answer, kPreparing, {}, now);
    return take(answer, 0, !after_seq_);
  }

  std::string event(const AnswerView& answer, const messages::StreamEvent& event, double now) override {
    if (event.kind == StreamEventKind::kStatus) {
      const auto status = messages::decode<messages::StatusEvent>(event.data);
      if (status && status->stage == "index") say_search(answer, now);
    } else if (event.kind == StreamEventKind::kSources) {
      say_search(answer, now);
      Json found = {{"documents", document_names(answer)}};
      found["passages"] = answer.sources ? answer.sources->passages.size() : 0;
      say(answer, kGenerating, std::move(found), now);
    } else if (event.kind == StreamEventKind::kTerminal) {
      end(answer, now);
    }
    return take(answer, event.last_seq, !after_seq_ || event.last_seq > *after_seq_);
  }

  std::string refused(const AnswerView& answer, const Error& error, double now) override {
    say_error(answer, error, now);
    return take(answer, 0, true);
  }

 private:
  void say_search(const AnswerView& answer, double now) {
    if (searching_) return;
    searching_ = true;
    const Json where = {{"collection", answer.collection},
                        {"selected", body_.documents.empty() ? Json("all") : Json(body_.documents.size())}};
    for (const Step& step : {kLoading, kSelecting}) say(answer, step, where, now);
    say(answer, kSearching, {}, now);
  }

  void end(const AnswerView& answer, double now) {
    if (ended_badly(answer)) return say_error(answer, end_of(answer), now);
    say(answer, kComplete, {}, now);
    Json data = {{"type", "result"}};
    data.update(result_json(body_, answer, now));
    said_.push_back({"result", dump(data)});
  }

  // Only the steps of this kind of chat are told.
  void say(const AnswerView& answer, const Step& step, const Json& details, double now) {
    const auto place = std::find_if(steps_.begin(), steps_.end(),
                                    [&](const Step& known) { return known.name == step.name; });
    if (place == steps_.end()) return;
    Json data = {{"type", "progress"},
                 {"step", step.name},
                 {"message", step.message},
                 {"number", place - steps_.begin() + 1},
                 {"steps", steps_.size()}};
    if (details.is_object()) data.update(details);
    data["stream_id"] = answer.stream;
    data["timestamp"] = now;
    said_.push_back({"progress", dump(data)});
  }

  void say_error(const AnswerView& answer, const Error& error, double now) {
    Json told = {{"type", "error"},
                 {"error", error.message},
                 {"code", to_string(error.code)},
                 {"retryable", is_retryable(error.code)},
                 {"stream_id", answer.stream},
                 {"timestamp", now}};
    add_retry_after(told, error);
    said_.push_back({"error", dump(told)});
  }

  // An id stands on the last event of its number: whoever has it has all before.
  std::string take(const AnswerView& answer, std::uint64_t seq, bool wanted) {
    std::string out;
    for (std::size_t i = 0; wanted && i < said_.size(); ++i) {
      if (i + 1 == said_.size()) out += "id: " + answer.stream + ":" + std::to_string(seq) + "\n";
      out += "event: " + said_[i].name + "\ndata: " + said_[i].data + "\n\n";
    }
    said_.clear();
    return out;
  }

  struct Said {
    std::string name;
    std::string data;
  };

  const std::vector<Step>& steps_;
  Body body_;
  std::optional<std::uint64_t> after_seq_;
  std::vector<Said> said_;
  bool searching_ = false;
};

}  // namespace

Result<Body> parse(std::string_view bytes) {
  auto object = JsonObject::parse(bytes);
  if (!object) return object.error();
  Body body;
  body.query = object->text("query");
  if (object->has("auto_load_documents")) body.auto_load_documents = object->flag("auto_load_documents");
  body.documents = object->texts("documents");
  body.collection = object->text("collection");
  if (object->has("session_id")) body.session_id = object->text("session_id");
  if (body.session_id && body.session_id->empty()) body.session_id.reset();
  if (auto wrong = object->wrong_type()) return *wrong;
  if (!body.auto_load_documents && body.documents.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "Without auto_load_documents, \"documents\" must name what to look at."};
  }
  return body;
}

std::optional<Cursor> parse_event_id(std::string_view id) {
  const auto colon = id.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  Cursor cursor{std::string(id.substr(0, colon)), 0};
  const char* const end = id.data() + id.size();
  const auto [rest, error] = std::from_chars(id.data() + colon + 1, end, cursor.seq);
  if (error != std::errc() || rest != end || topic_of_stream(cursor.stream).empty()) return std::nullopt;
  return cursor;
}

std::unique_ptr<AnswerWire> answer_wire(Kind kind, Body body, std::optional<std::uint64_t> after_seq) {
  return std::make_unique<ChatWire>(kind, std::move(body), after_seq);
}

std::string denied(const Denial& denial) {
  Json data = {{"type", "error"},
               {"error", denial.error.message},
               {"code", to_string(denial.error.code)},
               {"retryable", is_retryable(denial.error.code)},
               {"stream_id", nullptr}};
  add_denial(data, denial);
  return "event: error\ndata: " + dump(data) + "\n\n";
}

Result<std::string> result(const Body& body, const AnswerView& answer, double now) {
  if (ended_badly(answer)) return end_of(answer);
  return dump(result_json(body, answer, now));
}

}  // namespace answermill::frontend::chat
