#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "frontend/server/api/loop.h"

namespace answermill::frontend {
namespace {

class AsioTimer final : public Timer {
 public:
  AsioTimer(boost::asio::io_context& io, std::chrono::milliseconds delay, std::function<void()> task)
      : timer_(io, delay) {
    // A handler that is already queued cannot be cancelled: the flag stops it.
    timer_.async_wait(
        [task = std::move(task), alive = std::weak_ptr<int>(alive_)](const boost::system::error_code& error) {
          if (!error && !alive.expired()) task();
        });
  }

 private:
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  boost::asio::steady_timer timer_;
};

class AsioLoop final : public Loop {
 public:
  explicit AsioLoop(boost::asio::io_context& io) : io_(io) {}
  void post(std::function<void()> task) override { boost::asio::post(io_, std::move(task)); }
  std::unique_ptr<Timer> after(std::chrono::milliseconds delay, std::function<void()> task) override {
    return std::make_unique<AsioTimer>(io_, delay, std::move(task));
  }
  std::chrono::steady_clock::time_point now() const override { return std::chrono::steady_clock::now(); }
  std::int64_t unix_ms() const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }

 private:
  boost::asio::io_context& io_;
};

}  // namespace

std::unique_ptr<Loop> make_asio_loop(boost::asio::io_context& io) { return std::make_unique<AsioLoop>(io); }

}  // namespace answermill::frontend
