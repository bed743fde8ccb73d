// What clients send as JSON, over every WebSocket and in every HTTP body.
#include "frontend/server/dialects/http_json.h"
#include "frontend/server/dialects/native.h"
#include "frontend/server/dialects/sse_chat.h"
#include "frontend/server/dialects/ws_query.h"
#include "frontend/server/dialects/ws_stream.h"
#include "tests/fuzz/input.h"

using namespace answermill;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)frontend::native::parse(text);
  (void)frontend::ws_stream::parse(text);
  (void)frontend::ws_query::parse(text);
  (void)frontend::chat::parse(text);
  (void)frontend::chat::parse_event_id(text);
  (void)frontend::parse_ask(text);
  (void)frontend::parse_collection_name(text);
  return 0;
}
