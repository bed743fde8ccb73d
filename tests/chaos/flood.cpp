// One tenant that floods: submits COUNT bulk jobs straight to the broker's intake, as a frontend does, until
// each is acknowledged. Prints how many were, how often the broker asked to come back later, and how long it
// took.
//
//   chaos_flood JOBS_ENDPOINT EVENTS_ENDPOINT COUNT
//
// Thread: one.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "shared/base/ids.h"
#include "shared/bus/socket.h"
#include "shared/messages/codec.h"
#include "shared/messages/events.h"
#include "shared/messages/questions.h"
#include "shared/messages/submit.h"

namespace answermill::chaos {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{60};
constexpr std::chrono::milliseconds kTurn{20};
constexpr std::chrono::milliseconds kResend{1000};
constexpr std::size_t kWindow = 2000;  // unacknowledged at once; a PUSH socket's queue is finite

class Flood {
 public:
  explicit Flood(int count) : jobs_(context_, bus::Pattern::kPush), events_(context_, bus::Pattern::kSub) {
    for (int i = 0; i < count; ++i) waiting_.insert(fmt::format("{}-{}", topic_, i));
  }

  Status connect(const std::string& jobs, const std::string& events) {
    if (auto connected = jobs_.connect(jobs); !connected) return connected;
    if (auto connected = events_.connect(events); !connected) return connected;
    events_.subscribe(topic_);
    return {};
  }

  bool run() {
    const auto begin = Clock::now();
    bus::Poller poller;
    poller.add(events_);
    auto resend = begin;
    while (!waiting_.empty() && Clock::now() - begin < kPatience) {
      if (Clock::now() >= resend) {
        resend = Clock::now() + kResend;
        send_window();
      }
      poller.wait(kTurn);
      const std::size_t before = waiting_.size();
      read_acks();
      if (waiting_.size() < before && before % kWindow < kWindow / 2) resend = Clock::now();
    }
    const std::chrono::duration<double> took = Clock::now() - begin;
    fmt::print("acknowledged {} refused {} left {} seconds {:.2f}\n", acknowledged_, refused_,
               waiting_.size(), took.count());
    return waiting_.empty();
  }

 private:
  void send_window() {
    std::size_t sent = 0;
    for (const auto& request : waiting_) {
      if (++sent > kWindow) return;
      messages::Submit submit;
      submit.reply_topic = topic_;
      submit.job.stage = "embed";
      submit.job.op = "query";
      submit.job.tenant = "flood";
      submit.job.request_id = request;
      submit.job.priority = messages::Priority::kBulk;
      submit.job.durability = messages::Durability::kStrict;
      messages::EmbedQuery query;
      query.search.collection = "default";
      query.search.query = "the harbour of " + request;
      submit.job.payload = messages::encode(query);
      if (jobs_.send({messages::encode_frame(messages::SubmitKind::kSubmit, submit)}) !=
          bus::SendStatus::kSent)
        return;
    }
  }

  void read_acks() {
    while (events_.receive(frames_)) {
      if (frames_.size() != 2) continue;
      const auto frame = messages::split_frame(frames_[1]);
      if (!frame || frame->kind != static_cast<std::uint8_t>(messages::EventKind::kAck)) continue;
      const auto ack = messages::decode<messages::SubmitAck>(frame->body);
      if (!ack) continue;
      if (ack->code == ErrorCode::kOk) {
        acknowledged_ += waiting_.erase(ack->request_id);
      } else {
        ++refused_;  // asked again with the next window
      }
    }
  }

  bus::Context context_;
  bus::Socket jobs_;
  bus::Socket events_;
  std::string topic_ = random_id();
  std::set<std::string> waiting_;
  std::size_t acknowledged_ = 0;
  std::size_t refused_ = 0;
  std::vector<std::string> frames_;
};

}  // namespace
}  // namespace answermill::chaos

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: chaos_flood JOBS_ENDPOINT EVENTS_ENDPOINT COUNT\n");
    return 2;
  }
  answermill::chaos::Flood flood(std::atoi(argv[3]));
  if (auto connected = flood.connect(argv[1], argv[2]); !connected) {
    fmt::print(stderr, "{}\n", connected.error().message);
    return 2;
  }
  return flood.run() ? 0 : 1;
}
