#include "frontend/server/api/sse_answers.h"

#include <utility>

#include "frontend/server/dialects/sse.h"

namespace answermill::frontend {
namespace {

using namespace std::chrono_literals;

constexpr auto kSilence = 15s;

class DocumentEvents final : public DocumentWatcher, public std::enable_shared_from_this<DocumentEvents> {
 public:
  DocumentEvents(AnswerContext context, std::string id) : context_(context), id_(std::move(id)) {}
  ~DocumentEvents() override { context_.documents.unwatch(*this); }

  void start(const DocumentView& document, Responder& responder) {
    context_.answers.keep(shared_from_this());
    body_ = responder.stream(200, sse::kType, {{"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}});
    body_->on_close = lifetime_.guard([this] { finish(); });
    body_->on_drain = lifetime_.guard([this] {
      if (std::exchange(behind_, false)) reread();
    });
    context_.documents.watch(*this);
    keep_alive();
    on_document(document);
    reread();  // what changed between the caller's read and watch()
  }

  void on_document(const DocumentView& document) override {
    if (document.row.id != id_ || ended_) return;
    if (body_->pending_bytes() > kHighWaterBytes) {
      behind_ = true;
      return;
    }
    const std::string text = sse::document(document);
    if (text != last_) body_->write(text);
    last_ = text;
    if (document.row.settled()) end();
  }
  void on_document_removed(const std::string& id) override {
    if (id == id_) end();
  }
  void on_documents_changed() override { reread(); }

 private:
  void reread() {
    context_.documents.get(id_, lifetime_.guard([this](const Result<DocumentView>& document) {
      if (document) return on_document(*document);
      if (document.error().code == ErrorCode::kNotFound) end();
    }));
  }

  void keep_alive() {
    timer_ = context_.services.loop.after(kSilence, [this] {
      body_->write(sse::kKeepAlive);
      keep_alive();
    });
  }

  void end() {
    if (ended_) return;
    body_->end();
    finish();
  }

  void finish() {
    ended_ = true;
    timer_.reset();
    context_.services.loop.post(
        [&answers = context_.answers, self = shared_from_this()] { answers.drop(self); });
  }

  AnswerContext context_;
  std::string id_;
  std::shared_ptr<BodyStream> body_;
  std::unique_ptr<Timer> timer_;
  std::string last_;
  bool behind_ = false;
  bool ended_ = false;
  Lifetime lifetime_;
};

// Collects a stream into one answer: at its end, or as far as it is.
class Collector final : public std::enable_shared_from_this<Collector> {
 public:
  enum class Until { kEnd, kNow };

  Collector(AnswerContext context, ResponderPtr responder, AnswerView view, Until until)
      : context_(context), responder_(std::move(responder)), view_(std::move(view)), until_(until) {}

  void start() {
    context_.answers.keep(shared_from_this());
    reader_ = std::make_unique<StreamReader>(context_.services.loop, context_.services.hub, view_.stream, 0,
                                             [this] { pump(); });
  }

  void refuse(const Error& error) {
    if (std::exchange(answered_, true)) return;
    send_error(*responder_, error);
    finish();
  }

 private:
  void pump() {
    if (reader_ == nullptr || answered_) return;
    const auto step = reader_->pump(
        [] { return true; }, [this](const messages::StreamEvent& event) { apply_event(view_, event); });
    if (step == StreamReader::Step::kUnknown) return from_catalog();
    const bool now = until_ == Until::kNow && reader_->loaded();
    if (step == StreamReader::Step::kEnded || now) answer();
  }

  void from_catalog() {
    reader_.reset();
    context_.questions.recorded(view_.stream, lifetime_.guard([this](const Result<MessageRow>& row) {
      if (!row) return refuse(row.error());
      view_ = answer_of(*row);
      answer();
    }));
  }

  void answer() {
    if (std::exchange(answered_, true)) return;
    send_json(*responder_, 200, until_ == Until::kEnd ? encode_answer(view_) : encode_stream(view_),
              {{"X-Stream-Id", view_.stream}});
    finish();
  }

  void finish() {
    context_.services.loop.post([&answers = context_.answers, self = shared_from_this()] {
      self->reader_.reset();
      answers.drop(self);
    });
  }

  AnswerContext context_;
  ResponderPtr responder_;
  AnswerView view_;
  Until until_;
  std::unique_ptr<StreamReader> reader_;
  bool answered_ = false;
  Lifetime lifetime_;
};

}  // namespace

void stream_document(const AnswerContext& context, const DocumentView& document,
                     const ResponderPtr& responder) {
  std::make_shared<DocumentEvents>(context, document.row.id)->start(document, *responder);
}

void collect_ask(const AnswerContext& context, Question question, const ResponderPtr& responder) {
  auto slot = std::make_shared<std::weak_ptr<Collector>>();
  context.questions.ask(
      std::move(question),
      [context, responder, slot](const Result<AnswerView>& started) {
        if (!started) return send_error(*responder, started.error());
        auto answer = std::make_shared<Collector>(context, responder, *started, Collector::Until::kEnd);
        *slot = answer;
        answer->start();
      },
      [slot](const Error& error) {
        if (const auto answer = slot->lock()) answer->refuse(error);
      });
}

void collect_stream(const AnswerContext& context, const std::string& stream, const ResponderPtr& responder) {
  AnswerView view;
  view.stream = stream;
  std::make_shared<Collector>(context, responder, std::move(view), Collector::Until::kNow)->start();
}

}  // namespace answermill::frontend
