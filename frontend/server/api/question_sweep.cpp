#include "frontend/server/api/question_sweep.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "shared/log/log.h"
#include "shared/messages/codec.h"

namespace answermill::frontend {
namespace {

using namespace std::chrono_literals;

constexpr auto kInterval = 1s;
constexpr std::int64_t kFreshMs = 2000;           // its own frontend is still at it
constexpr std::uint64_t kBrokerSettlesMs = 2500;  // after a boot its workers tell what they still run
constexpr std::int64_t kForgottenMs = 3'600'000;  // nobody waits any more
constexpr int kAtOnce = 500;

}  // namespace

void QuestionSweep::start() { schedule(kInterval); }

void QuestionSweep::schedule(std::chrono::milliseconds delay) {
  timer_ = services_.loop.after(delay, [this] {
    schedule(kInterval);
    sweep();
  });
}

void QuestionSweep::sweep() {
  const auto& fleet = services_.bus.fleet();
  if (fleet.boot == 0 || fleet.uptime_ms < kBrokerSettlesMs) return;
  const std::int64_t before = services_.loop.unix_ms() - kFreshMs;
  services_.catalog.run([before](Catalog& catalog) { return catalog.unsettled_answers(before, kAtOnce); },
                        lifetime_.guard([this](const Result<std::vector<UnsettledAnswer>>& answers) {
                          if (!answers)
                            return log::error("the catalog cannot be swept: {}", answers.error().message);
                          for (const auto& answer : *answers) look_at(answer);
                        }));
}

void QuestionSweep::look_at(const UnsettledAnswer& answer) {
  services_.bus.replay(answer.stream, UINT64_MAX,
                       lifetime_.guard([this, answer](const messages::Replayed& replayed) {
                         if (!replayed.known && replayed.boot != 0) take_up(answer);
                       }));
}

void QuestionSweep::take_up(const UnsettledAnswer& answer) {
  if (answer.submission.empty() || services_.loop.unix_ms() - answer.created_ms > kForgottenMs) {
    return refuse(answer.stream, {ErrorCode::kExpired, "The answer was interrupted: ask again."});
  }
  auto submission = messages::decode<messages::Submit>(answer.submission);
  if (!submission || !submission->stream) {
    return refuse(answer.stream, {ErrorCode::kDamaged, "The question cannot be read any more: ask again."});
  }
  // Somebody may have seen, or still be writing, more than anybody here knows.
  submission->shown.emplace().stream = answer.stream;
  log::info("event=question_taken_up stream={}", answer.stream);
  services_.hub.ask(std::move(*submission), {});
}

void QuestionSweep::refuse(const std::string& stream, const Error& error) {
  services_.catalog.run([stream, error](Catalog& catalog) { return catalog.refuse_answer(stream, error); },
                        [](const Status&) {});
}

}  // namespace answermill::frontend
