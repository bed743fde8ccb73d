// What programs send as JSON: OpenAI's chat completions, responses and embeddings, the AI SDK's messages,
// MCP. And the targets of their requests.
#include "frontend/server/dialects/mcp.h"
#include "frontend/server/dialects/openai.h"
#include "frontend/server/dialects/openai_chat.h"
#include "frontend/server/dialects/openai_responses.h"
#include "frontend/server/dialects/ui_messages.h"
#include "frontend/server/edge/uri.h"
#include "shared/text/utf8.h"
#include "tests/fuzz/edge_world.h"
#include "tests/fuzz/input.h"

using namespace answermill;

namespace {

void tools(std::string_view text) {
  const auto post = frontend::mcp::parse(text);
  if (!post) return;
  for (const auto& call : post->messages) {
    // What is quoted back to the caller must be JSON again.
    fuzz::insist(text::is_valid_utf8(frontend::mcp::pong(call)), "an answer is UTF-8");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)frontend::openai::parse_chat(text);
  (void)frontend::openai::parse_responses(text);
  (void)frontend::openai::parse_embeddings(text);
  (void)frontend::openai::stream_of("resp_", text);
  (void)frontend::ui::parse(text);
  tools(text);
  // The parser before it lets no zero byte through.
  if (text.find('\0') != std::string_view::npos) return 0;
  if (const auto target = frontend::parse_target(text)) {
    fuzz::insist(target->path.find('\0') == std::string::npos, "no path gets a zero byte by decoding");
    (void)frontend::query_value(target->query, "token");
    fuzz::insist(!frontend::query_value(frontend::query_without(target->query, "token"), "token"),
                 "what was taken out is gone");
  }
  return 0;
}
