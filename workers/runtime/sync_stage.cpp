#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "shared/log/log.h"
#include "workers/runtime/stage.h"

namespace answermill::runtime {
namespace {

// A fixed pool: each thread runs one job at a time. One job more than threads is held, so that a thread never
// waits for the round trip to the broker between two jobs.
class SyncStage : public Stage {
 public:
  SyncStage(std::string name, std::uint32_t threads, std::string detail, SyncHandler handler)
      : name_(std::move(name)), detail_(std::move(detail)), handler_(std::move(handler)) {
    for (std::uint32_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }

  ~SyncStage() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  std::string name() const override { return name_; }
  std::uint32_t slots() const override { return static_cast<std::uint32_t>(threads_.size()) + 1; }
  std::string detail() const override { return detail_; }

  void start(Job job, std::shared_ptr<JobHandle> handle) override {
    {
      const std::lock_guard lock(mutex_);
      auto& queue = job.spec.priority == messages::Priority::kInteractive ? interactive_ : waiting_;
      queue.emplace_back(std::move(job), std::move(handle));
    }
    wake_.notify_one();
  }

 private:
  using Work = std::pair<Job, std::shared_ptr<JobHandle>>;

  void work() {
    while (true) {
      Work next;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !interactive_.empty() || !waiting_.empty(); });
        if (stopping_) return;
        auto& queue = interactive_.empty() ? waiting_ : interactive_;
        next = std::move(queue.front());
        queue.pop_front();
      }
      if (next.second->cancelled()) continue;
      next.second->progress(0);  // it has started
      const auto& spec = next.first.spec;
      log::debug("event=job_start job={} op={} group={} attempt={}", spec.id, spec.op, spec.group,
                 next.first.attempt);
      next.second->finish(run(next));
    }
  }

  messages::Outcome run(Work& work) {
    try {
      return handler_(work.first, *work.second);
    } catch (const std::exception& error) {
      // A bug or a third-party throw that nobody caught: the job must not take the worker down with it.
      log::error("job={} op={} threw: {}", work.first.spec.id, work.first.spec.op, error.what());
      auto outcome = failed(ErrorCode::kInternal, error.what(), true);
      outcome.crashed = true;
      return outcome;
    }
  }

  std::string name_;
  std::string detail_;
  SyncHandler handler_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Work> interactive_;  // guarded by mutex_
  std::deque<Work> waiting_;      // guarded by mutex_
  bool stopping_ = false;         // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<Stage> make_sync_stage(std::string name, std::uint32_t threads, std::string detail,
                                       SyncHandler handler) {
  return std::make_unique<SyncStage>(std::move(name), threads, std::move(detail), std::move(handler));
}

messages::Outcome failed(ErrorCode code, std::string message, bool retryable) {
  messages::Outcome outcome;
  outcome.status = messages::OutcomeStatus::kFailed;
  outcome.code = code;
  outcome.message = std::move(message);
  outcome.retryable = retryable;
  return outcome;
}

messages::Outcome failed(const Error& error) {
  switch (error.code) {
    case ErrorCode::kUnavailable:
    case ErrorCode::kBusy:
    case ErrorCode::kTimeout:
    case ErrorCode::kUpstream:
    case ErrorCode::kFenced:
    case ErrorCode::kDiskFull:
      return failed(error.code, error.message, true);
    default:
      return failed(error.code, error.message, false);
  }
}

messages::Outcome malformed_payload(const Job& job) {
  return failed(ErrorCode::kMalformed,
                "the payload of " + job.spec.stage + "/" + job.spec.op + " did not decode", false);
}

}  // namespace answermill::runtime
