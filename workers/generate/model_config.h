// Which model answers, how it is reached and what it costs.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace answermill::generate {

struct ModelConfig {
  std::string base_url;  // empty: no model is connected, the documents are quoted
  std::string key;       // may be empty: local servers want none
  std::string model;
  double temperature = 0.7;
  std::uint32_t max_tokens = 1000;
  double input_cost_per_1k = 0;  // US dollars
  double output_cost_per_1k = 0;
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds first_token_timeout{120'000};
  std::chrono::milliseconds gap_timeout{60'000};
  std::chrono::milliseconds total_timeout{600'000};

  bool connected() const { return !base_url.empty(); }
};

}  // namespace answermill::generate
