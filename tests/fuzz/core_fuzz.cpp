// Hostile peers before the broker's state machine: any bytes on any channel, in any order, from this host or
// from a key, with the journal committing now and then and time passing.
#include <memory>
#include <set>

#include "broker/core/core.h"
#include "shared/bus/role.h"
#include "shared/log/log.h"
#include "tests/fuzz/input.h"

using namespace answermill;

namespace {

class Nowhere : public broker::Output {
 public:
  bool send(const std::string& route, std::string) override { return route != "gone"; }
  void publish(std::string_view, std::string) override {}
  void journal(std::vector<broker::JournalOp>, std::uint64_t ticket) override { last = ticket; }
  bool journal_healthy() const override { return healthy; }
  std::uint64_t last = 0;
  bool healthy = true;
};

enum Choice : std::uint8_t {
  kSubmit,
  kWork,
  kWorkElsewhere,
  kEvent,
  kSubscribe,
  kQuery,
  kCommit,
  kTick,
  kDrop,
  kChoices
};

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  answermill::log::init("fuzz", "error");
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Nowhere output;
  broker::TimePoint now{};
  broker::Core core({}, output, 1, now);
  core.recover(std::vector<broker::JournalRow>{});
  fuzz::Input input(data, size);
  std::uint8_t choice = 0;
  std::string_view bytes;
  const bus::Peer worker{"key", bus::RoleSet(bus::Role::kEmbed)};
  for (int steps = 0; steps < 64 && input.next(choice, bytes); ++steps) {
    now += std::chrono::milliseconds(choice);
    switch (choice % kChoices) {
      case kSubmit:
        core.on_submit_frame(bytes, now);
        break;
      case kWork:
        core.on_work_frame(choice > 127 ? "gone" : "route", bytes, now);
        break;
      case kWorkElsewhere:
        core.on_work_frame("elsewhere", bytes, now, worker);
        break;
      case kEvent:
        core.on_event_frame(bytes.substr(0, 16), bytes.substr(std::min<std::size_t>(16, bytes.size())), now,
                            choice > 127 ? worker : bus::Peer{});
        break;
      case kSubscribe:
        core.on_subscription(bytes, now);
        break;
      case kQuery:
        (void)core.on_query_frame(bytes, choice > 127 ? worker : bus::Peer{});
        break;
      case kCommit:
        core.on_committed(output.last, now);
        break;
      case kTick:
        now += std::chrono::seconds(choice);
        core.on_tick(now);
        break;
      case kDrop:
        core.on_peers_dropped({"key"}, bus::RoleSet(bus::Role::kEmbed), now);
        break;
    }
  }
  core.on_committed(output.last, now);
  core.on_tick(now + std::chrono::hours(1));
  return 0;
}
