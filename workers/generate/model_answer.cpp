#include "workers/generate/model_answer.h"

#include <algorithm>

#include "shared/messages/codec.h"
#include "workers/generate/prompt.h"

namespace answermill::generate {
namespace {

constexpr std::size_t kMaxBodyBytes = std::size_t{1} << 20U;
// Beyond this an answer is cut with finish reason "length": the bus carries it in one message.
constexpr std::size_t kMaxAnswerBytes = std::size_t{4} << 20U;

double milliseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

}  // namespace

ModelAnswer::ModelAnswer(Setting setting, runtime::Job job, messages::GenerateAnswer work,
                         std::shared_ptr<runtime::JobHandle> handle, std::function<void()> on_end)
    : setting_(std::move(setting)),
      job_(std::move(job)),
      work_(std::move(work)),
      handle_(std::move(handle)),
      on_end_(std::move(on_end)),
      answer_(job_.stream, work_.sources.passages, *handle_),
      continuation_(job_.stream.text),
      began_(Clock::now()) {}

void ModelAnswer::begin() {
  const ModelConfig& config = *setting_.config;
  request_.model = work_.request.model.empty() ? config.model : work_.request.model;
  request_.temperature = work_.request.temperature >= 0 ? work_.request.temperature : config.temperature;
  request_.max_tokens = work_.request.max_tokens > 0 ? work_.request.max_tokens : config.max_tokens;
  request_.messages = build_prompt(work_, job_.stream.text);
  send();
  arm_watch(Wait::kFirstSign, began_ + config.first_token_timeout);
}

void ModelAnswer::send() {
  const ModelConfig& config = *setting_.config;
  body_.clear();
  status_ = 0;
  http::Request request;
  request.method = "POST";
  request.url = chat_url(config.base_url);
  request.headers = {{"Content-Type", "application/json"}, {"Accept", "text/event-stream"}};
  if (!config.key.empty()) request.headers.emplace_back("Authorization", "Bearer " + config.key);
  request.body = chat_request_body(request_, *setting_.dialect);
  request.timeouts.connect = config.connect_timeout;
  request.timeouts.total = config.total_timeout;
  auto self = shared_from_this();
  transfer_ = setting_.client->start(
      std::move(request), {[self](int status, const http::Headers&) { self->take_headers(status); },
                           [self](std::string_view bytes) { self->take_bytes(bytes); },
                           [self](Result<int> status) { self->take_status(std::move(status)); }});
}

void ModelAnswer::cancel() {
  setting_.client->cancel(transfer_);
  fail(ErrorCode::kCancelled, "cancelled", false);
}

void ModelAnswer::take_headers(int status) { status_ = status; }

void ModelAnswer::take_bytes(std::string_view bytes) {
  if (ended_) return;
  if (handle_->cancelled()) return cancel();
  if (!streaming_ && body_.size() + bytes.size() <= kMaxBodyBytes) body_ += bytes;
  if (status_ != 200) return;
  const Status fed = events_.feed(bytes, [this](const http::SseEvent& event) { take_data(event.data); });
  if (!fed) {
    setting_.client->cancel(transfer_);
    fail(ErrorCode::kUpstream, "The model server sent an event that is too large.", false);
  }
}

void ModelAnswer::take_data(std::string_view data) {
  if (ended_ || done_mark_ || data.empty()) return;
  streaming_ = true;
  if (data == "[DONE]") {
    done_mark_ = true;
    return;
  }
  const auto chunk = parse_chat_chunk(data);
  if (!chunk || !chunk->error.empty()) {
    setting_.client->cancel(transfer_);
    if (!chunk) return fail(ErrorCode::kUpstream, chunk.error().message, true);
    return fail(ErrorCode::kUpstream,
                "The model server broke off: " + clean_message(chunk->error, setting_.config->key), true);
  }
  if (chunk->has_usage) {
    has_usage_ = true;
    input_tokens_ = chunk->input_tokens;
    output_tokens_ = chunk->output_tokens;
  }
  if (!chunk->text.empty()) take_text(chunk->text);
  if (!chunk->text.empty() || chunk->thinking) {
    last_sign_ = Clock::now();
    if (!alive_) arm_watch(Wait::kNextSign, last_sign_ + setting_.config->gap_timeout);
    alive_ = true;
    handle_->progress(0);
  }
  if (!chunk->finish_reason.empty()) finish_reason_ = chunk->finish_reason;
}

void ModelAnswer::take_text(std::string_view text) {
  if (new_bytes_ == 0) first_token_ = Clock::now();
  new_bytes_ += text.size();
  const Continuation::Step step = continuation_.feed(text);
  if (step.rewind) answer_.rewind();
  answer_.append(step.text);
  if (answer_.text().size() < kMaxAnswerBytes) return;
  setting_.client->cancel(transfer_);
  finish_reason_ = "length";
  complete();
}

void ModelAnswer::take_status(Result<int> status) {
  if (ended_) return;
  if (!status) {
    const bool timeout = status.error().code == ErrorCode::kTimeout;
    if (done_mark_) return complete();  // everything had come before the connection broke
    return fail(timeout ? ErrorCode::kTimeout : ErrorCode::kUpstream,
                (new_bytes_ == 0 ? "The model server cannot be reached: " : "The model server broke off: ") +
                    clean_message(status.error().message, setting_.config->key),
                status.error().code != ErrorCode::kInvalidArgument);
  }
  if (*status != 200) {
    if (adapt_dialect(*setting_.dialect, *status, body_)) return send();
    const ChatFailure failure = chat_failure(*status, body_, setting_.config->key);
    return fail(failure.code, failure.message, failure.retryable);
  }
  if (!streaming_) {
    done_mark_ = false;
    take_data(body_);  // a server that answers in one piece
    if (ended_) return;
  }
  // A stream without its end was cut off, even when the connection closed in good order.
  if (!done_mark_ && finish_reason_.empty()) {
    return fail(ErrorCode::kUpstream, "The model server broke off in the middle of the answer.", true);
  }
  complete();
}

void ModelAnswer::arm_watch(Wait wait, Clock::time_point due) {
  const auto delay = std::chrono::ceil<std::chrono::milliseconds>(due - Clock::now());
  setting_.client->after(std::max(delay, std::chrono::milliseconds(1)), [weak = weak_from_this(), wait] {
    if (const auto self = weak.lock()) self->watch(wait);
  });
}

void ModelAnswer::watch(Wait wait) {
  if (ended_ || (wait == Wait::kFirstSign && alive_)) return;
  const ModelConfig& config = *setting_.config;
  const auto due = alive_ ? last_sign_ + config.gap_timeout : began_ + config.first_token_timeout;
  if (Clock::now() < due) return arm_watch(wait, due);
  setting_.client->cancel(transfer_);
  fail(ErrorCode::kTimeout,
       alive_ ? "The model server stopped in the middle of the answer." : "The model server is silent.",
       true);
}

void ModelAnswer::complete() {
  const Continuation::Step rest = continuation_.finish();
  if (rest.rewind) answer_.rewind();
  answer_.append(rest.text);
  if (answer_.text().empty())
    return fail(ErrorCode::kUpstream, "The model gave an empty answer.", job_.attempt < 2);
  messages::Outcome outcome;
  outcome.ends_stream = true;
  outcome.meta = messages::encode(meta());
  end(std::move(outcome));
}

messages::AnswerMeta ModelAnswer::meta() const {
  const ModelConfig& config = *setting_.config;
  messages::AnswerMeta meta;
  meta.mode = "model";
  meta.model = request_.model;
  meta.tokens_measured = has_usage_;
  meta.input_tokens = input_tokens_;
  meta.output_tokens = output_tokens_;
  if (!has_usage_) {
    for (const ChatMessage& message : request_.messages)
      meta.input_tokens += estimate_tokens(message.content);
    meta.output_tokens = estimate_tokens(answer_.text());
  }
  meta.input_cost_per_1k = config.input_cost_per_1k;
  meta.output_cost_per_1k = config.output_cost_per_1k;
  meta.cost_usd = (static_cast<double>(meta.input_tokens) * config.input_cost_per_1k +
                   static_cast<double>(meta.output_tokens) * config.output_cost_per_1k) /
                  1000.0;
  const auto now = Clock::now();
  meta.first_token_ms = new_bytes_ > 0 ? milliseconds(first_token_ - began_) : 0;
  meta.total_ms = milliseconds(now - began_);
  meta.finish_reason = finish_reason_.empty() ? "stop" : finish_reason_;
  return meta;
}

void ModelAnswer::fail(ErrorCode code, std::string message, bool retryable) {
  if (!ended_) end(runtime::failed(code, std::move(message), retryable));
}

void ModelAnswer::end(messages::Outcome outcome) {
  ended_ = true;
  handle_->finish(std::move(outcome));
  on_end_();
}

}  // namespace answermill::generate
