// Every stream this frontend shows, mirrored once and read by any number of viewers, each at its own pace.
//
// A viewer keeps only a cursor (the last sequence number it has sent) and pulls: whenever on_stream() is
// called, or its socket drains, it reads on from its cursor. Runs of tokens come coalesced when it is behind,
// one by one when it is not, so a slow reader costs nothing here.
//
// Thread: the Asio loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "frontend/server/bus/frontend_bus.h"
#include "shared/messages/jobs.h"

namespace answermill::frontend {

class StreamViewer {
 public:
  virtual ~StreamViewer() = default;
  // There is something to read on this stream.
  virtual void on_stream(const std::string& stream) = 0;
};

struct StreamSlice {
  // kReady: `events` (maybe none yet). kUnknown: neither the broker nor this frontend has it; ask the
  // catalog. kLoading: wait for on_stream().
  enum class State { kReady, kLoading, kUnknown } state = State::kLoading;
  std::vector<messages::StreamEvent> events;  // in order; a kTerminal one is the last there will ever be
};

class StreamHub {
 public:
  virtual ~StreamHub() = default;

  // Submits a question whose job and stream spec are set (stream id on `topic_of_stream`). `done` tells the
  // acknowledgement. The question is kept until its terminal event and resubmitted if the broker loses it.
  virtual void ask(messages::Submit question, std::function<void(const messages::SubmitAck&)> done) = 0;

  virtual void attach(const std::string& stream, StreamViewer& viewer) = 0;
  virtual void detach(const std::string& stream, StreamViewer& viewer) = 0;

  // Events after `after_seq`, at most about `max_bytes` of them. Only for attached streams. When the viewer
  // has seen more than what survived a crash, the first event is a kRewind; others do not see it.
  virtual StreamSlice read(const std::string& stream, std::uint64_t after_seq,
                           std::size_t max_bytes = 65536) = 0;

  virtual void cancel(const std::string& stream) = 0;
  virtual std::size_t live_streams() const = 0;
};

using StreamHubClock = std::function<std::chrono::steady_clock::time_point()>;

// `memory`: bytes of mirrors beyond which those that nobody looks at leave, ended ones first. Whoever comes
// back to them gets them from the broker, or as kUnknown: from the catalog.
std::unique_ptr<StreamHub> make_stream_hub(FrontendBus& bus, std::size_t memory,
                                           StreamHubClock clock = std::chrono::steady_clock::now);

}  // namespace answermill::frontend
