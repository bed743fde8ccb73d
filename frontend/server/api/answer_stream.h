// An answer over a streamed HTTP body, on any wire, and the twin that waits for its end.
//
// Thread: the loop. Each keeps itself in `Answers` until the client left or everything was said. A client
// that leaves cancels nothing.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "frontend/server/api/sse_answers.h"
#include "frontend/server/dialects/answer_wire.h"

namespace answermill::frontend {

// How a wire tells an error as the whole answer to a request.
using ErrorReply = std::function<void(Responder&, const Error&)>;

// Tokens wait until there are so many bytes of them, or the first has waited so long.
struct Gathering {
  std::size_t bytes = 256;
  std::chrono::milliseconds delay{200};
};

struct StreamReply {
  std::unique_ptr<AnswerWire> wire;
  ErrorReply refuse = send_error;
  std::optional<Gathering> gathering = std::nullopt;
};

// Asks, then streams.
void stream_ask(const AnswerContext& context, Question question, const ResponderPtr& responder,
                StreamReply reply);
// Streams what was asked before; `known` has at least the stream's id.
void stream_answer(const AnswerContext& context, AnswerView known, const ResponderPtr& responder,
                   StreamReply reply);

struct WholeReply {
  std::function<Result<std::string>(const AnswerView&)> body;  // JSON
  ErrorReply refuse = send_error;
  bool at_end = false;  // of collect_answer(): wait for the end
};

// Asks, then answers once, at the end.
void collect_ask(const AnswerContext& context, Question question, const ResponderPtr& responder,
                 WholeReply reply);
// What a stream is at this moment.
void collect_answer(const AnswerContext& context, AnswerView known, const ResponderPtr& responder,
                    WholeReply reply);

}  // namespace answermill::frontend
