// Asks the edge until the whole fleet is ready.
//
// Thread: the answers come on the mailbox's thread. Owns: its HTTP client and thread; destroyed, it asks no
// more.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "shared/base/mailbox.h"
#include "shared/http/client.h"

namespace answermill::command {

struct ReadinessTimes {
  std::chrono::milliseconds between{100};
  std::chrono::milliseconds patience{15'000};  // then what is missing is said
};

class Readiness {
 public:
  // `on_ready` is posted once; `on_late` at most once, with what is still missing.
  Readiness(Mailbox& mailbox, std::string url, ReadinessTimes times, std::function<void()> on_ready,
            std::function<void(std::string missing)> on_late);

 private:
  void ask();
  void on_answer(bool ready, const std::string& body);

  Mailbox& mailbox_;
  std::string url_;
  ReadinessTimes times_;
  std::function<void()> on_ready_;
  std::function<void(std::string)> on_late_;
  std::chrono::steady_clock::time_point began_;
  std::string body_;     // of the answer being received; client thread only
  http::Client client_;  // last: its thread uses the members above
};

// "extract, embed" of {"ready":false,"stages":{…}}; "the frontend" when there is no such body.
std::string missing_stages(const std::string& readyz_body);

}  // namespace answermill::command
