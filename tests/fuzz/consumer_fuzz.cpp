// A hostile broker before a worker: any bytes on the work channel.
#include <memory>
#include <vector>

#include "shared/bus/job_consumer.h"
#include "tests/fuzz/input.h"

using namespace answermill;

namespace {

class Nowhere : public bus::ConsumerOutput {
 public:
  void send_work(std::string) override {}
  void publish(std::string_view, std::string) override {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Nowhere output;
  Mailbox mailbox;
  std::vector<std::shared_ptr<bus::JobHandle>> running;
  bus::JobConsumer consumer(
      {"generate", 4, "fuzz"}, output, mailbox,
      [&](bus::Job, std::shared_ptr<bus::JobHandle> handle) { running.push_back(std::move(handle)); },
      [](const std::string&) {});
  bus::JobConsumer::Clock::time_point now{};
  consumer.on_relay_subscribed(now);
  fuzz::Input input(data, size);
  std::uint8_t choice = 0;
  std::string_view bytes;
  for (int steps = 0; steps < 64 && input.next(choice, bytes); ++steps) {
    now += std::chrono::milliseconds(choice);
    if (choice < 128 || running.empty()) {
      consumer.on_work_frame(bytes, now);
    } else if (choice < 192) {
      running[choice % running.size()]->emit_token(bytes);
    } else if (choice < 224) {
      running[choice % running.size()]->rewind(choice);
    } else {
      running[choice % running.size()]->finish({});
    }
    mailbox.run_all();
    consumer.on_tick(now);
  }
  consumer.drain(now);
  consumer.give_up();
  return 0;
}
