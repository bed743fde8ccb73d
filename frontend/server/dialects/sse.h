// Server-sent events as text. Pure.
// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html and docs/protocol.md, "Stream events
// over SSE".
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "frontend/server/dialects/answer_wire.h"
#include "frontend/server/dialects/views.h"

namespace answermill::frontend::sse {

inline constexpr char kType[] = "text/event-stream";
inline constexpr char kKeepAlive[] = ": keep-alive\n\n";

std::string started(const AnswerView& answer);
// How long a browser's EventSource waits before it comes back: 1 to 3 s, for each listener another time.
std::string retry(std::string_view id, double now);
// Empty for events that have no place on this wire.
std::string stream_event(const messages::StreamEvent& event);
std::string document(const DocumentView& document);
// An error that is not the end of a stream: the stream never started, or is unknown.
std::string error(const Error& error);

std::unique_ptr<AnswerWire> answer_wire(Shape shape, Place place);

}  // namespace answermill::frontend::sse
