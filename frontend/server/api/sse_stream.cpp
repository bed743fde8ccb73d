// A question's stream as server-sent events.
#include <utility>

#include "frontend/server/api/sse_answers.h"
#include "frontend/server/dialects/sse.h"

namespace answermill::frontend {
namespace {

using namespace std::chrono_literals;

constexpr auto kSilence = 15s;

class SseStream final : public std::enable_shared_from_this<SseStream> {
 public:
  SseStream(AnswerContext context, ResponderPtr responder, std::string stream, std::uint64_t after_seq)
      : context_(context),
        responder_(std::move(responder)),
        stream_(std::move(stream)),
        after_seq_(after_seq) {}

  // Opens the body at once and says what was started.
  void start(const AnswerView& view) {
    open();
    body_->write(sse::started(view));
    read();
  }

  // Reads first, so that an unknown stream can still be a 404.
  void resume() { read(); }

  void refuse(const Error& error) {
    if (body_ == nullptr || body_->closed()) return finish();
    body_->write(sse::error(error));
    close();
  }

 private:
  void open() {
    if (body_ != nullptr) return;
    body_ = responder_->stream(
        200, sse::kType,
        {{"X-Stream-Id", stream_}, {"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}});
    body_->on_drain = lifetime_.guard([this] { pump(); });
    body_->on_close = lifetime_.guard([this] { finish(); });
    keep_alive();
  }

  void read() {
    context_.answers.keep(shared_from_this());
    reader_ = std::make_unique<StreamReader>(context_.services.loop, context_.services.hub, stream_,
                                             after_seq_, [this] { pump(); });
    reader_->on_loaded = [this] { open(); };
  }

  void pump() {
    if (reader_ == nullptr) return;
    const auto step = reader_->pump(
        [this] { return body_ == nullptr || (!body_->closed() && body_->pending_bytes() < kHighWaterBytes); },
        [this](const messages::StreamEvent& event) {
          wrote_ = true;
          body_->write(sse::stream_event(event));
        });
    if (step == StreamReader::Step::kEnded) close();
    if (step == StreamReader::Step::kUnknown) from_catalog();
  }

  void from_catalog() {
    reader_.reset();
    context_.questions.recorded(stream_, lifetime_.guard([this](const Result<MessageRow>& row) {
      if (!row) {
        if (body_ == nullptr) send_error(*responder_, row.error());
        return body_ == nullptr ? finish() : refuse(row.error());
      }
      if (row->status == MessageStatus::kStreaming) {
        const Error lost{ErrorCode::kUnavailable, "The answer is not to be had at this moment: try again."};
        if (body_ == nullptr) send_error(*responder_, lost);
        return body_ == nullptr ? finish() : refuse(lost);
      }
      open();
      for (const auto& event : events_after(row->state, after_seq_)) body_->write(sse::stream_event(event));
      close();
    }));
  }

  void keep_alive() {
    timer_ = context_.services.loop.after(kSilence, [this] {
      if (!std::exchange(wrote_, false)) body_->write(sse::kKeepAlive);
      keep_alive();
    });
  }

  void close() {
    reader_.reset();
    if (!body_->closed()) body_->end();
    finish();
  }

  void finish() {
    timer_.reset();
    context_.services.loop.post([&answers = context_.answers, self = shared_from_this()] {
      self->reader_.reset();
      answers.drop(self);
    });
  }

  AnswerContext context_;
  ResponderPtr responder_;
  std::string stream_;
  std::uint64_t after_seq_;
  std::shared_ptr<BodyStream> body_;
  std::unique_ptr<StreamReader> reader_;
  std::unique_ptr<Timer> timer_;
  bool wrote_ = false;
  Lifetime lifetime_;
};

}  // namespace

void stream_ask(const AnswerContext& context, Question question, const ResponderPtr& responder) {
  auto slot = std::make_shared<std::weak_ptr<SseStream>>();
  context.questions.ask(
      std::move(question),
      [context, responder, slot](const Result<AnswerView>& started) {
        if (!started) return send_error(*responder, started.error());
        auto answer = std::make_shared<SseStream>(context, responder, started->stream, 0);
        *slot = answer;
        answer->start(*started);
      },
      [slot](const Error& error) {
        if (const auto answer = slot->lock()) answer->refuse(error);
      });
}

void stream_resume(const AnswerContext& context, const std::string& stream, std::uint64_t after_seq,
                   const ResponderPtr& responder) {
  std::make_shared<SseStream>(context, responder, stream, after_seq)->resume();
}

}  // namespace answermill::frontend
