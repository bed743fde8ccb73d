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
    const auto now = static_cast<double>(context_.services.loop.unix_ms());
    body_->write(sse::retry(id_, now) + "\n");
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

}  // namespace

void stream_document(const AnswerContext& context, const DocumentView& document,
                     const ResponderPtr& responder) {
  std::make_shared<DocumentEvents>(context, document.row.id)->start(document, *responder);
}

}  // namespace answermill::frontend
