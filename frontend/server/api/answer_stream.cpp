#include "frontend/server/api/answer_stream.h"

#include <utility>

#include "frontend/server/dialects/token_gatherer.h"

namespace answermill::frontend {
namespace {

using namespace std::chrono_literals;

constexpr auto kSilence = 15s;

Error not_to_be_had() {
  return {ErrorCode::kUnavailable, "The answer is not to be had at this moment: try again."};
}

class AnswerStream final : public std::enable_shared_from_this<AnswerStream> {
 public:
  AnswerStream(AnswerContext context, ResponderPtr responder, StreamReply reply)
      : context_(context), responder_(std::move(responder)), reply_(std::move(reply)) {
    if (reply_.gathering) gatherer_.emplace(reply_.gathering->bytes);
  }

  // Opens the body at once and says what was started.
  void start(const AnswerView& view) {
    view_ = view;
    open();
    read();
  }

  // Reads first, so that an unknown stream can still be a 404.
  void resume(AnswerView view) {
    view_ = std::move(view);
    read();
  }

  void refuse(const Error& error) {
    reader_.reset();
    if (body_ == nullptr) {
      reply_.refuse(*responder_, error);
      return finish();
    }
    if (!body_->closed()) write(reply_.wire->refused(view_, error, now()));
    close();
  }

 private:
  double now() const { return context_.services.loop.unix_seconds(); }
  AnswerWire& wire() { return *reply_.wire; }

  void open() {
    if (body_ != nullptr) return;
    Headers headers{
        {"X-Stream-Id", view_.stream}, {"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}};
    for (auto& header : wire().headers()) headers.push_back(std::move(header));
    body_ = responder_->stream(200, wire().content_type(), std::move(headers));
    body_->on_drain = lifetime_.guard([this] { pump(); });
    body_->on_close = lifetime_.guard([this] { finish(); });
    keep_alive();
    write(wire().started(view_, now()));
  }

  void read() {
    context_.answers.keep(shared_from_this());
    reader_ = std::make_unique<StreamReader>(context_.services.loop, context_.services.hub, view_.stream,
                                             wire().after_seq(), [this] { pump(); });
    reader_->on_loaded = [this] { open(); };
  }

  void pump() {
    if (reader_ == nullptr) return;
    const auto step = reader_->pump(
        [this] {
          const bool open =
              body_ == nullptr || (!body_->closed() && body_->pending_bytes() < kHighWaterBytes);
          return open && !wire().broken();
        },
        [this](const messages::StreamEvent& event) { take(event); });
    if (step == StreamReader::Step::kEnded || wire().broken()) return close();
    if (step == StreamReader::Step::kUnknown) from_catalog();
  }

  void take(const messages::StreamEvent& event) {
    if (!gatherer_) return tell(event);
    for (const auto& ready : gatherer_->add(event)) tell(ready);
    if (!gatherer_->holding()) return gather_timer_.reset();
    if (gather_timer_ != nullptr) return;
    gather_timer_ = context_.services.loop.after(reply_.gathering->delay, [this] {
      const auto spent = std::exchange(gather_timer_, nullptr);
      if (const auto run = gatherer_->take()) tell(*run);
      if (wire().broken()) close();
    });
  }

  void tell(const messages::StreamEvent& event) {
    if (wire().needs_answer()) apply_event(view_, event);
    write(wire().event(view_, event, now()));
  }

  void write(const std::string& text) {
    if (text.empty()) return;
    wrote_ = true;
    body_->write(text);
  }

  void from_catalog() {
    reader_.reset();
    context_.questions.recorded(view_.stream, lifetime_.guard([this](const Result<MessageRow>& row) {
      if (!row) return refuse(row.error());
      if (row->status == MessageStatus::kStreaming) return refuse(not_to_be_had());
      open();
      for (const auto& event : events_after(row->state, wire().after_seq())) take(event);
      close();
    }));
  }

  void keep_alive() {
    timer_ = context_.services.loop.after(kSilence, [this] {
      if (!std::exchange(wrote_, false)) body_->write(wire().keep_alive());
      keep_alive();
    });
  }

  // A broken answer ends without end(): its client sees the body cut off.
  void close() {
    reader_.reset();
    if (!body_->closed() && !wire().broken()) body_->end();
    finish();
  }

  void finish() {
    timer_.reset();
    gather_timer_.reset();
    context_.services.loop.post([&answers = context_.answers, self = shared_from_this()] {
      self->reader_.reset();
      answers.drop(self);
    });
  }

  AnswerContext context_;
  ResponderPtr responder_;
  StreamReply reply_;
  AnswerView view_;
  std::optional<TokenGatherer> gatherer_;
  std::shared_ptr<BodyStream> body_;
  std::unique_ptr<StreamReader> reader_;
  std::unique_ptr<Timer> timer_;
  std::unique_ptr<Timer> gather_timer_;
  bool wrote_ = false;
  Lifetime lifetime_;
};

// Collects a stream into one answer: at its end, or as far as it is.
class Collector final : public std::enable_shared_from_this<Collector> {
 public:
  enum class Until { kEnd, kNow };

  Collector(AnswerContext context, ResponderPtr responder, WholeReply reply, Until until)
      : context_(context), responder_(std::move(responder)), reply_(std::move(reply)), until_(until) {}

  void start(AnswerView view) {
    view_ = std::move(view);
    context_.answers.keep(shared_from_this());
    reader_ = std::make_unique<StreamReader>(context_.services.loop, context_.services.hub, view_.stream, 0,
                                             [this] { pump(); });
  }

  void refuse(const Error& error) {
    if (std::exchange(answered_, true)) return;
    reply_.refuse(*responder_, error);
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
      if (until_ == Until::kEnd && row->status == MessageStatus::kStreaming) return refuse(not_to_be_had());
      view_ = answer_of(*row);
      answer();
    }));
  }

  void answer() {
    auto body = reply_.body(view_);
    if (!body) return refuse(body.error());
    if (std::exchange(answered_, true)) return;
    send_json(*responder_, 200, std::move(*body), {{"X-Stream-Id", view_.stream}});
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
  WholeReply reply_;
  Until until_;
  AnswerView view_;
  std::unique_ptr<StreamReader> reader_;
  bool answered_ = false;
  Lifetime lifetime_;
};

// The question may be refused before the answer begins, and, by the bus, after.
template <class Answer, class Start>
void ask(const AnswerContext& context, Question question, const ResponderPtr& responder, ErrorReply refuse,
         std::shared_ptr<Answer> answer, Start start) {
  const std::weak_ptr<Answer> later = answer;
  context.questions.ask(
      std::move(question),
      [responder, refuse = std::move(refuse), answer, start](const Result<AnswerView>& started) {
        if (!started) return refuse(*responder, started.error());
        start(*answer, *started);
      },
      [later](const Error& error) {
        if (const auto running = later.lock()) running->refuse(error);
      });
}

}  // namespace

void stream_ask(const AnswerContext& context, Question question, const ResponderPtr& responder,
                StreamReply reply) {
  const ErrorReply refuse = reply.refuse;
  ask(context, std::move(question), responder, refuse,
      std::make_shared<AnswerStream>(context, responder, std::move(reply)),
      [](AnswerStream& answer, const AnswerView& view) { answer.start(view); });
}

void stream_answer(const AnswerContext& context, AnswerView known, const ResponderPtr& responder,
                   StreamReply reply) {
  std::make_shared<AnswerStream>(context, responder, std::move(reply))->resume(std::move(known));
}

void collect_ask(const AnswerContext& context, Question question, const ResponderPtr& responder,
                 WholeReply reply) {
  const ErrorReply refuse = reply.refuse;
  ask(context, std::move(question), responder, refuse,
      std::make_shared<Collector>(context, responder, std::move(reply), Collector::Until::kEnd),
      [](Collector& answer, const AnswerView& view) { answer.start(view); });
}

void collect_answer(const AnswerContext& context, AnswerView known, const ResponderPtr& responder,
                    WholeReply reply) {
  const auto until = reply.at_end ? Collector::Until::kEnd : Collector::Until::kNow;
  std::make_shared<Collector>(context, responder, std::move(reply), until)->start(std::move(known));
}

}  // namespace answermill::frontend
