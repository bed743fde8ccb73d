// A model server for benches: OpenAI's streamed chat completions, one thread, keep-alive connections.
#pragma once

#include <chrono>

namespace answermill::bench {

// Answers at once.
void serve_instant_model(int pipe);
// A token every `gap`, and 600 of them.
void serve_paced_model(int pipe, std::chrono::milliseconds gap);
// Both serve until the process ends; they write their port as two bytes to `pipe`, see clients.h.

}  // namespace answermill::bench
