// A model server that answers at once: OpenAI's streamed chat completions, one thread, keep-alive
// connections.
#pragma once

#include <cstdint>

namespace answermill::bench {

// Serves until the process ends; writes its port as two bytes to `pipe`, see clients.h.
void serve_instant_model(int pipe);

}  // namespace answermill::bench
