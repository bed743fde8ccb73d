#include "frontend/grpc/frontend_client.h"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

#include "frontend/grpc/json_messages.h"

namespace answermill::grpc_bridge {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kTooMuch = 1024 * 1024;  // bytes that wait for a slow reader
constexpr auto kLookAtCancel = 100ms;
constexpr auto kSilence = 60s;  // the frontend says something every 15 s

// What the client's thread hands to the reader.
struct Pipe {
  std::mutex mutex;
  std::condition_variable changed;
  std::string bytes;  // guarded by mutex, like all below
  int status = 0;
  bool behind = false;
  bool ended = false;
  Result<int> outcome = 0;
};

http::Callbacks into(const std::shared_ptr<Pipe>& pipe) {
  http::Callbacks callbacks;
  callbacks.on_headers = [pipe](int status, const http::Headers&) {
    const std::lock_guard lock(pipe->mutex);
    pipe->status = status;
  };
  callbacks.on_data = [pipe](std::string_view bytes) {
    const std::lock_guard lock(pipe->mutex);
    pipe->behind = pipe->behind || pipe->bytes.size() + bytes.size() > kTooMuch;
    if (!pipe->behind) pipe->bytes.append(bytes);
    pipe->changed.notify_one();
  };
  callbacks.on_done = [pipe](Result<int> status) {
    const std::lock_guard lock(pipe->mutex);
    pipe->outcome = std::move(status);
    pipe->ended = true;
    pipe->changed.notify_one();
  };
  return callbacks;
}

// Takes the whole lines off the front of `text`. False: no more are wanted.
bool take_lines(std::string& text, const std::function<bool(std::string_view)>& line) {
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    if (!line(std::string_view(text).substr(begin, end - begin))) return false;
    begin = end + 1;
  }
  text.erase(0, begin);
  return true;
}

}  // namespace

FrontendClient::FrontendClient(std::string base_url, FrontendTrust trust)
    : base_url_(std::move(base_url)), trust_(std::move(trust)) {}

http::Request FrontendClient::request(const std::string& authorization, const std::string& method,
                                      const std::string& path) const {
  http::Request request;
  request.method = method;
  request.url = base_url_ + path;
  if (!authorization.empty()) request.headers.emplace_back("Authorization", authorization);
  request.timeouts.idle = kSilence;
  request.ca_file = trust_.ca_file;
  request.trust_any_certificate = trust_.any;
  return request;
}

Result<std::string> FrontendClient::whole(http::Request request) {
  auto response = client_.fetch(std::move(request));
  if (!response) return response.error();
  if (response->status >= 400) return error_of(response->status, response->body);
  return std::move(response->body);
}

Result<std::string> FrontendClient::get(const std::string& authorization, const std::string& path) {
  return whole(request(authorization, "GET", path));
}

Result<std::string> FrontendClient::post(const std::string& authorization, const std::string& path,
                                         std::string body, const std::string& content_type) {
  http::Request post = request(authorization, "POST", path);
  post.headers.emplace_back("Content-Type", content_type);
  post.body = std::move(body);
  return whole(std::move(post));
}

Result<std::string> FrontendClient::upload(const std::string& authorization, const std::string& path,
                                           UniqueFd file, std::uint64_t size,
                                           const std::string& content_type) {
  http::Request post = request(authorization, "POST", path);
  post.headers.emplace_back("Content-Type", content_type);
  post.body_file = std::move(file);
  post.body_file_size = size;
  return whole(std::move(post));
}

Result<FrontendClient::Lines> FrontendClient::read_lines(Ask ask,
                                                         const std::function<bool(std::string_view)>& line,
                                                         const std::function<bool()>& cancelled) {
  http::Request asked = request(ask.authorization, ask.method, ask.path);
  asked.headers.emplace_back("Accept", ask.accept);
  asked.headers.emplace_back("Content-Type", "application/json");
  asked.body = std::move(ask.body);
  const auto pipe = std::make_shared<Pipe>();
  const http::Handle handle = client_.start(std::move(asked), into(pipe));
  Lines lines;
  std::string text;
  while (true) {
    std::unique_lock lock(pipe->mutex);
    pipe->changed.wait_for(lock, kLookAtCancel, [&] { return !pipe->bytes.empty() || pipe->ended; });
    text += std::exchange(pipe->bytes, {});
    lines.status = pipe->status;
    const bool behind = pipe->behind;
    const bool ended = pipe->ended;
    const Result<int> outcome = pipe->outcome;
    lock.unlock();
    if (cancelled()) {
      client_.cancel(handle);
      return Error{ErrorCode::kCancelled, "The caller has left."};
    }
    const bool more = lines.status != 200 || take_lines(text, line);
    if (!more || behind) {
      client_.cancel(handle);
      return lines;
    }
    if (!ended) continue;
    if (!outcome) return outcome.error();
    if (lines.status != 200) lines.refusal = std::move(text);
    return lines;
  }
}

}  // namespace answermill::grpc_bridge
