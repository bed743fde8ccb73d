// The loop thread as the API sees it: time, timers and a way back from other threads.
//
// Thread: post() from any; the rest, and every callback, on the loop thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

namespace boost::asio {
class io_context;
}

namespace answermill::frontend {

// Destroyed: the timer does not fire any more.
class Timer {
 public:
  virtual ~Timer() = default;
};

class Loop {
 public:
  virtual ~Loop() = default;
  virtual void post(std::function<void()> task) = 0;
  [[nodiscard]] virtual std::unique_ptr<Timer> after(std::chrono::milliseconds delay,
                                                     std::function<void()> task) = 0;
  virtual std::chrono::steady_clock::time_point now() const = 0;
  virtual std::int64_t unix_ms() const = 0;

  double unix_seconds() const { return static_cast<double>(unix_ms()) / 1000.0; }
};

std::unique_ptr<Loop> make_asio_loop(boost::asio::io_context& io);

// Lets an object hand out callbacks that do nothing once it is gone. Declare it last, so that it goes first.
class Lifetime {
 public:
  template <class Function>
  auto guard(Function function) const {
    return [alive = std::weak_ptr<int>(token_), function = std::move(function)](auto&&... arguments) mutable {
      if (!alive.expired()) function(std::forward<decltype(arguments)>(arguments)...);
    };
  }

 private:
  std::shared_ptr<int> token_ = std::make_shared<int>(0);
};

}  // namespace answermill::frontend
