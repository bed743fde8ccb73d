#include <algorithm>
#include <cstdlib>
#include <random>

#include "shared/http/client.h"
#include "workers/embed/embedder.h"
#include "workers/embed/embeddings_api.h"

namespace answermill::embed {
namespace {

bool worth_retrying(int status) { return status == 408 || status == 409 || status == 429 || status >= 500; }

Error error_of(int status, std::string_view body, const std::string& key) {
  ErrorCode code = ErrorCode::kUpstream;
  if (status == 401 || status == 403) code = ErrorCode::kUnauthorized;
  if (status == 429) code = ErrorCode::kRateLimited;
  std::string said = error_message_of(body);
  for (std::size_t at = 0; !key.empty() && (at = said.find(key, at)) != std::string::npos;) {
    said.replace(at, key.size(), "[secret]");
  }
  return {code,
          "The embedding server answered " + std::to_string(status) + (said.empty() ? "." : ": " + said)};
}

// One call of embed(): batches sent one after the other, each with its retries. Lives as long as its
// callbacks.
class Call : public std::enable_shared_from_this<Call> {
 public:
  Call(http::Client& client, std::shared_ptr<const RemoteConfig> config,
       std::shared_ptr<std::atomic<std::uint32_t>> dimension, std::vector<std::string> texts,
       CancelFlag cancelled, Embedder::Done done)
      : client_(client),
        config_(std::move(config)),
        dimension_(std::move(dimension)),
        texts_(std::move(texts)),
        cancelled_(std::move(cancelled)),
        done_(std::move(done)) {}

  void send_next() {
    if (is_cancelled()) return finish(Error{ErrorCode::kCancelled, "cancelled"});
    if (sent_ == texts_.size()) return finish(std::move(vectors_));
    batch_ = std::min<std::size_t>(config_->batch_texts, texts_.size() - sent_);
    http::Request request;
    request.method = "POST";
    request.url = config_->base_url + "/embeddings";
    request.headers = {{"Content-Type", "application/json"}};
    if (!config_->key.empty()) request.headers.emplace_back("Authorization", "Bearer " + config_->key);
    const auto first = texts_.begin() + static_cast<std::ptrdiff_t>(sent_);
    request.body = embeddings_request(config_->model, {first, first + static_cast<std::ptrdiff_t>(batch_)});
    request.timeouts.total = config_->timeout;
    body_.clear();
    retry_after_ = std::chrono::milliseconds(0);
    auto self = shared_from_this();
    client_.start(std::move(request),
                  {[self](int, const http::Headers& headers) { self->read_retry_after(headers); },
                   [self](std::string_view bytes) { self->take(bytes); },
                   [self](Result<int> status) { self->take_status(status); }});
  }

 private:
  static constexpr std::size_t kMaxBodyBytes = std::size_t{64} << 20U;

  bool is_cancelled() const { return cancelled_ && cancelled_->load(); }

  void read_retry_after(const http::Headers& headers) {
    constexpr long kMaxSeconds = 30;
    const std::string value(http::find_header(headers, "Retry-After"));
    retry_after_ = std::chrono::seconds(std::clamp(std::strtol(value.c_str(), nullptr, 10), 0L, kMaxSeconds));
  }

  void take(std::string_view bytes) {
    if (body_.size() + bytes.size() <= kMaxBodyBytes) body_ += bytes;
  }

  void take_status(const Result<int>& status) {
    if (!status) return retry_or_fail(status.error(), status.error().code != ErrorCode::kInvalidArgument);
    if (*status != 200) return retry_or_fail(error_of(*status, body_, config_->key), worth_retrying(*status));
    auto parsed = parse_embeddings(body_, batch_);
    if (!parsed) return finish(parsed.error());
    const auto dimension = static_cast<std::uint32_t>(parsed->size() / batch_);
    if (config_->dimension != 0 && dimension != config_->dimension) {
      return finish(Error{ErrorCode::kInvalidArgument, "The embedding model gives " +
                                                           std::to_string(dimension) +
                                                           " numbers, but VECTOR_DIMENSION is " +
                                                           std::to_string(config_->dimension) + "."});
    }
    *dimension_ = dimension;
    vectors_.insert(vectors_.end(), parsed->begin(), parsed->end());
    sent_ += batch_;
    attempt_ = 1;
    send_next();
  }

  void retry_or_fail(Error error, bool retryable) {
    if (!retryable || attempt_ >= config_->max_attempts || is_cancelled()) return finish(std::move(error));
    // Full jitter, so that many workers refused together do not come back together.
    const auto ceiling = config_->first_retry.count() * (1LL << std::min(attempt_, 6U));
    std::uniform_int_distribution<std::int64_t> wait(0, std::max<std::int64_t>(ceiling, 1));
    ++attempt_;
    client_.after(retry_after_ + std::chrono::milliseconds(wait(random_)),
                  [self = shared_from_this()] { self->send_next(); });
  }

  void finish(Result<std::vector<float>> result) { done_(std::move(result)); }

  http::Client& client_;
  std::shared_ptr<const RemoteConfig> config_;  // shared: a call may outlive its embedder, never the client
  std::shared_ptr<std::atomic<std::uint32_t>> dimension_;
  std::vector<std::string> texts_;
  CancelFlag cancelled_;
  Embedder::Done done_;
  std::vector<float> vectors_;
  std::size_t sent_ = 0;
  std::size_t batch_ = 0;
  std::uint32_t attempt_ = 1;
  std::string body_;
  std::chrono::milliseconds retry_after_{0};
  std::minstd_rand random_{std::random_device{}()};
};

class RemoteEmbedder : public Embedder {
 public:
  RemoteEmbedder(http::Client& client, RemoteConfig config)
      : client_(client), dimension_(std::make_shared<std::atomic<std::uint32_t>>(config.dimension)) {
    while (!config.base_url.empty() && config.base_url.back() == '/') config.base_url.pop_back();
    config.batch_texts = std::max(config.batch_texts, 1U);
    config_ = std::make_shared<const RemoteConfig>(std::move(config));
  }

  std::string model() const override { return config_->model; }
  std::uint32_t dimension() const override { return *dimension_; }

  // Symmetric: the API has no notion of queries and passages.
  void embed(std::vector<std::string> texts, TextKind, CancelFlag cancelled, Done done) override {
    std::make_shared<Call>(client_, config_, dimension_, std::move(texts), std::move(cancelled),
                           std::move(done))
        ->send_next();
  }

 private:
  http::Client& client_;
  std::shared_ptr<const RemoteConfig> config_;
  std::shared_ptr<std::atomic<std::uint32_t>> dimension_;
};

}  // namespace

std::unique_ptr<Embedder> make_remote_embedder(http::Client& client, RemoteConfig config) {
  return std::make_unique<RemoteEmbedder>(client, std::move(config));
}

}  // namespace answermill::embed
