#include "shared/http/client.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <future>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "shared/http/transfer.h"

namespace answermill::http {
namespace {

struct FreeMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};

void init_curl_once() {
  static const CURLcode kInitialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)kInitialised;
}

// A thread started between these two never sees a signal.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

struct Client::Loop {
  Loop() {
    init_curl_once();
    multi.reset(curl_multi_init());
    curl_multi_setopt(multi.get(), CURLMOPT_MAXCONNECTS, 64L);
    const SignalsBlocked blocked;
    thread = std::thread([this] { run(); });
  }

  ~Loop() {
    stopping = true;
    curl_multi_wakeup(multi.get());
    thread.join();
  }

  void post(std::function<void()> task) {
    {
      const std::lock_guard lock(mutex);
      tasks.push_back(std::move(task));
    }
    curl_multi_wakeup(multi.get());
  }

  void run() {
    while (!stopping) {
      run_tasks();
      int running = 0;
      curl_multi_perform(multi.get(), &running);
      collect_finished();
      const auto now = Clock::now();
      end_overdue(now);
      run_timers(now);
      curl_multi_poll(multi.get(), nullptr, 0, poll_ms(Clock::now()), nullptr);
    }
    while (!transfers.empty())
      end(transfers.begin()->first, Error{ErrorCode::kCancelled, "the client is closing"});
  }

  void run_tasks() {
    std::vector<std::function<void()>> batch;
    {
      const std::lock_guard lock(mutex);
      batch.swap(tasks);
    }
    for (auto& task : batch) task();
  }

  void run_timers(Clock::time_point now) {
    while (!timers.empty() && timers.begin()->first <= now) {
      const auto task = std::move(timers.begin()->second);
      timers.erase(timers.begin());
      task();
    }
  }

  void begin(Handle handle, Request request, Callbacks callbacks) {
    auto transfer =
        std::make_unique<Transfer>(handle, std::move(request), std::move(callbacks), Clock::now());
    if (!transfer->easy() || curl_multi_add_handle(multi.get(), transfer->easy()) != CURLM_OK) {
      transfer->finish(Error{ErrorCode::kInternal, "the HTTP client could not start a request"});
      return;
    }
    transfers.emplace(handle, std::move(transfer));
  }

  // Out of the table first: a callback may start or cancel others.
  std::unique_ptr<Transfer> take(Handle handle) {
    const auto found = transfers.find(handle);
    if (found == transfers.end()) return nullptr;
    auto transfer = std::move(found->second);
    transfers.erase(found);
    curl_multi_remove_handle(multi.get(), transfer->easy());
    return transfer;
  }

  void end(Handle handle, Error error) {
    if (const auto transfer = take(handle)) transfer->finish(std::move(error));
  }

  void collect_finished() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      Transfer* finished = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &finished);
      if (const auto transfer = take(finished->handle())) transfer->finish(code);
    }
  }

  void end_overdue(Clock::time_point now) {
    std::vector<Handle> overdue;
    for (const auto& [handle, transfer] : transfers) {
      if (transfer->next_timeout() <= now) overdue.push_back(handle);
    }
    for (const Handle handle : overdue) end(handle, Error{ErrorCode::kTimeout, "the server went silent"});
  }

  int poll_ms(Clock::time_point now) const {
    auto next = now + std::chrono::seconds(10);
    if (!timers.empty()) next = std::min(next, timers.begin()->first);
    for (const auto& [handle, transfer] : transfers) next = std::min(next, transfer->next_timeout());
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - now).count();
    return static_cast<int>(std::max<std::int64_t>(wait, 0));
  }

  std::unique_ptr<CURLM, FreeMulti> multi;
  std::atomic<bool> stopping{false};
  std::atomic<Handle> next_handle{1};
  std::mutex mutex;
  std::vector<std::function<void()>> tasks;  // guarded by mutex
  // The rest belongs to the thread.
  std::unordered_map<Handle, std::unique_ptr<Transfer>> transfers;
  std::multimap<Clock::time_point, std::function<void()>> timers;
  std::thread thread;
};

Client::Client() : loop_(std::make_unique<Loop>()) {}
Client::~Client() = default;

Handle Client::start(Request request, Callbacks callbacks) {
  const Handle handle = loop_->next_handle++;
  // std::function must be copyable and a Request is not: it travels behind a pointer.
  auto parts = std::make_shared<std::pair<Request, Callbacks>>(std::move(request), std::move(callbacks));
  loop_->post([loop = loop_.get(), handle, parts] {
    loop->begin(handle, std::move(parts->first), std::move(parts->second));
  });
  return handle;
}

void Client::cancel(Handle handle) {
  loop_->post([loop = loop_.get(), handle] { loop->end(handle, Error{ErrorCode::kCancelled, "cancelled"}); });
}

void Client::post(std::function<void()> task) { loop_->post(std::move(task)); }

void Client::after(std::chrono::milliseconds delay, std::function<void()> task) {
  loop_->post([loop = loop_.get(), due = Clock::now() + delay, task = std::move(task)]() mutable {
    loop->timers.emplace(due, std::move(task));
  });
}

Result<Response> Client::fetch(Request request, std::function<void(std::string_view)> on_data,
                               std::size_t max_bytes) {
  struct State {
    Response response;
    bool too_large = false;
    std::promise<Result<int>> done;
  };
  const auto state = std::make_shared<State>();
  auto done = state->done.get_future();
  std::atomic<Handle> handle{0};
  const auto collect = [this, state, max_bytes, &handle](std::string_view bytes) {
    state->too_large = state->too_large || state->response.body.size() + bytes.size() > max_bytes;
    if (!state->too_large) {
      state->response.body += bytes;
    } else if (const Handle known = handle.load()) {
      cancel(known);
    }
  };
  handle =
      start(std::move(request), {[state](int, const Headers& headers) { state->response.headers = headers; },
                                 on_data ? std::move(on_data) : collect,
                                 [state](Result<int> status) { state->done.set_value(std::move(status)); }});
  const Result<int> status = done.get();
  if (state->too_large) return Error{ErrorCode::kTooLarge, "the response is larger than allowed"};
  if (!status) return status.error();
  state->response.status = *status;
  return std::move(state->response);
}

}  // namespace answermill::http
