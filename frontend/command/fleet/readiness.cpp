#include "frontend/command/fleet/readiness.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace answermill::command {
namespace {

constexpr std::chrono::seconds kAnswerLimit{2};

}  // namespace

std::string missing_stages(const std::string& readyz_body) {
  const nlohmann::json body = nlohmann::json::parse(readyz_body, nullptr, false);
  std::vector<std::string> missing;
  if (!body.is_object() || !body.contains("stages") || !body["stages"].is_object()) return "the frontend";
  for (const auto& [stage, workers] : body["stages"].items()) {
    if (!workers.is_number() || workers.get<double>() < 1) missing.push_back(stage);
  }
  return missing.empty() ? "the frontend" : fmt::format("{}", fmt::join(missing, ", "));
}

Readiness::Readiness(Mailbox& mailbox, std::string url, ReadinessTimes times, std::function<void()> on_ready,
                     std::function<void(std::string)> on_late)
    : mailbox_(mailbox),
      url_(std::move(url)),
      times_(times),
      on_ready_(std::move(on_ready)),
      on_late_(std::move(on_late)),
      began_(std::chrono::steady_clock::now()) {
  client_.post([this] { ask(); });
}

void Readiness::ask() {
  http::Request request;
  request.url = url_ + "/readyz";
  request.timeouts.connect = kAnswerLimit;
  request.trust_any_certificate = true;  // it is not made out to the loopback address
  request.timeouts.total = kAnswerLimit;
  http::Callbacks callbacks;
  callbacks.on_data = [this](std::string_view bytes) {
    if (body_.size() < 65'536) body_ += bytes;
  };
  callbacks.on_done = [this](Result<int> status) {
    on_answer(status.has_value() && *status == 200, std::exchange(body_, {}));
  };
  client_.start(std::move(request), std::move(callbacks));
}

void Readiness::on_answer(bool ready, const std::string& body) {
  if (ready) {
    if (on_ready_) mailbox_.post(std::exchange(on_ready_, {}));
    return;
  }
  if (on_late_ && std::chrono::steady_clock::now() - began_ > times_.patience) {
    mailbox_.post([tell = std::exchange(on_late_, {}), missing = missing_stages(body)] { tell(missing); });
  }
  client_.after(times_.between, [this] { ask(); });
}

}  // namespace answermill::command
