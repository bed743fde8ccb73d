// What model servers say: event streams cut anywhere, chunks of chat completions, embeddings, errors.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "shared/http/sse.h"
#include "tests/fuzz/input.h"
#include "workers/embed/embeddings_api.h"
#include "workers/generate/chat_api.h"

using namespace answermill;

namespace {

constexpr std::size_t kMostEvent = 4096;

std::vector<http::SseEvent> events_of(std::string_view bytes, std::size_t step) {
  std::vector<http::SseEvent> events;
  http::SseParser parser(kMostEvent);
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, step);
    bytes.remove_prefix(piece.size());
    const auto fed = parser.feed(piece, [&](const http::SseEvent& event) { events.push_back(event); });
    if (!fed) break;
  }
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto events = events_of(bytes, std::max<std::size_t>(bytes.size(), 1));
  if (bytes.size() < kMostEvent && events != events_of(bytes, 1 + data[0] % 16U)) std::abort();
  for (const auto& event : events) {
    if (event.data.size() > kMostEvent) std::abort();
    (void)generate::parse_chat_chunk(event.data);
  }
  (void)generate::parse_chat_chunk(bytes);
  const auto failure = generate::chat_failure(400 + data[0] % 128, bytes, "secret-key");
  if (failure.message.find("secret-key") != std::string::npos) std::abort();
  if (const auto vectors = embed::parse_embeddings(bytes, 2); vectors && vectors->size() % 2 != 0)
    std::abort();
  (void)embed::error_message_of(bytes);
  return 0;
}
