// One answer told over one streamed HTTP body: what to write for each thing that happens. Pure; one object
// for each listener, which may remember what it has said.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "frontend/server/dialects/views.h"

namespace answermill::frontend {

// What a client wants to see of an answer on the general wires.
enum class Shape {
  kEvents,    // everything, one event at a time
  kTokens,    // the text alone, token by token
  kBuffered,  // the text alone, in larger pieces
};

// The text, what takes it back, and its end belong to every shape.
bool belongs(messages::StreamEventKind kind, Shape shape);

// Where a client stands in an answer.
struct Place {
  std::uint64_t after_seq = 0;  // it has seen everything up to here
  bool resumed = false;         // it knows what was started
};

class AnswerWire {
 public:
  virtual ~AnswerWire() = default;

  virtual std::string_view content_type() const = 0;
  virtual std::vector<std::pair<std::string, std::string>> headers() const { return {}; }

  // Where to read the stream from: after this sequence number.
  virtual std::uint64_t after_seq() const { return 0; }
  // False: `answer` below stays as it was at the beginning, and costs no memory.
  virtual bool needs_answer() const { return true; }

  // First of all; `answer` has its names and nothing more.
  virtual std::string started(const AnswerView& answer, double now) = 0;
  // In order; `answer` includes the event. Empty for what has no place on this wire.
  virtual std::string event(const AnswerView& answer, const messages::StreamEvent& event, double now) = 0;
  // Instead of any further event: there is no more to be had.
  virtual std::string refused(const AnswerView& answer, const Error& error, double now) = 0;
  virtual std::string_view keep_alive() const = 0;

  // What was said is wrong, or incomplete, and this wire has no words for it: the body must be cut off.
  virtual bool broken() const { return false; }
};

}  // namespace answermill::frontend
