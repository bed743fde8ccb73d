// What turns texts into vectors: a built-in model that needs nothing, or a server that speaks OpenAI's
// embeddings API.
//
// Thread: embed() from any thread; `done` is called exactly once, on a thread of the embedder (or within
// embed(), when the result is at hand), and must not block. Shape: the result is float32, texts × dimension,
// row-major, every row of unit length.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "shared/base/result.h"

namespace answermill::http {
class Client;
}

namespace answermill::embed {

enum class TextKind { kQuery, kPassage };

// Set by whoever no longer wants the result; an embedder then answers kCancelled as soon as it notices.
using CancelFlag = std::shared_ptr<std::atomic<bool>>;

class Embedder {
 public:
  using Done = std::function<void(Result<std::vector<float>> vectors)>;

  virtual ~Embedder() = default;
  // Names the vectors' space: vectors of different models are never compared.
  virtual std::string model() const = 0;
  // Zero while it is not known yet (a server tells by its first answer).
  virtual std::uint32_t dimension() const = 0;
  virtual void embed(std::vector<std::string> texts, TextKind kind, CancelFlag cancelled, Done done) = 0;
};

// Hashed sub-word features (see hash_features.h) on `threads` threads; queries overtake passages.
std::unique_ptr<Embedder> make_builtin_embedder(std::uint32_t threads);

struct RemoteConfig {
  std::string base_url = "https://api.openai.com/v1";
  std::string key;  // empty: no Authorization header
  std::string model = "text-embedding-3-small";
  std::uint32_t dimension = 0;  // 0: whatever the server gives
  std::uint32_t batch_texts = 64;
  std::uint32_t max_attempts = 4;
  std::chrono::milliseconds first_retry{250};
  std::chrono::milliseconds timeout{60'000};
};

// `client` must outlive the embedder. Errors of embed(): kUnavailable, kTimeout, kRateLimited, kUnauthorized,
// kUpstream, kInvalidArgument (the server's dimension is not the configured one).
std::unique_ptr<Embedder> make_remote_embedder(http::Client& client, RemoteConfig config);

// Keeps the vectors of the last `entries` questions, so that one that was prefetched, or is asked again,
// needs no server. A remembered vector comes on the caller's thread, before embed() returns.
std::unique_ptr<Embedder> make_remembering_embedder(std::unique_ptr<Embedder> inner, std::size_t entries);

}  // namespace answermill::embed
