#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <thread>

#include "workers/embed/embedder.h"
#include "workers/embed/hash_features.h"

namespace answermill::embed {
namespace {

struct Task {
  std::vector<std::string> texts;
  CancelFlag cancelled;
  Embedder::Done done;
};

class BuiltinEmbedder : public Embedder {
 public:
  explicit BuiltinEmbedder(std::uint32_t threads) {
    // The threads never see a signal: the runtime reads them by signalfd.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (std::uint32_t i = 0; i < std::max(threads, 1U); ++i) threads_.emplace_back([this] { run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  ~BuiltinEmbedder() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  std::string model() const override { return kHashModel; }
  std::uint32_t dimension() const override { return kHashDimension; }

  // Bounded by the stage's slots: one task for each job it holds.
  void embed(std::vector<std::string> texts, TextKind kind, CancelFlag cancelled, Done done) override {
    {
      const std::lock_guard lock(mutex_);
      auto& queue = kind == TextKind::kQuery ? queries_ : passages_;
      queue.push_back({std::move(texts), std::move(cancelled), std::move(done)});
    }
    wake_.notify_one();
  }

 private:
  void run() {
    while (true) {
      Task task;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !queries_.empty() || !passages_.empty(); });
        if (stopping_) return;
        auto& queue = queries_.empty() ? passages_ : queries_;
        task = std::move(queue.front());
        queue.pop_front();
      }
      task.done(compute(task));
    }
  }

  static Result<std::vector<float>> compute(const Task& task) {
    std::vector<float> vectors(task.texts.size() * kHashDimension);
    for (std::size_t i = 0; i < task.texts.size(); ++i) {
      if (task.cancelled && task.cancelled->load()) return Error{ErrorCode::kCancelled, "cancelled"};
      hash_features(task.texts[i], vectors.data() + i * kHashDimension);
    }
    return vectors;
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> queries_;  // guarded by mutex_, as are the next two
  std::deque<Task> passages_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<Embedder> make_builtin_embedder(std::uint32_t threads) {
  return std::make_unique<BuiltinEmbedder>(threads);
}

}  // namespace answermill::embed
