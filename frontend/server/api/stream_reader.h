// One viewer's place in one stream: pulls from the hub at the pace its wire takes.
//
// Thread: the loop. `wake` is called from a fresh turn of the loop, so it may do anything, even destroy the
// reader.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "frontend/server/api/loop.h"
#include "frontend/server/streams/stream_hub.h"

namespace answermill::frontend {

class StreamReader final : private StreamViewer {
 public:
  enum class Step {
    kIdle,     // all that there is was delivered, or nothing is known yet
    kBlocked,  // the wire is full: pump again when it drains
    kEnded,    // the terminal event was delivered
    kUnknown,  // nobody on the bus has this stream: ask the catalog
  };

  StreamReader(Loop& loop, StreamHub& hub, std::string stream, std::uint64_t after_seq,
               std::function<void()> wake);
  ~StreamReader() override;
  StreamReader(const StreamReader&) = delete;
  StreamReader& operator=(const StreamReader&) = delete;

  Step pump(const std::function<bool()>& can_write,
            const std::function<void(const messages::StreamEvent&)>& deliver);

  // True once the hub had something to say about the stream.
  bool loaded() const { return loaded_; }
  std::function<void()> on_loaded;  // once, before the first delivery

 private:
  void on_stream(const std::string& stream) override;

  Loop& loop_;
  StreamHub& hub_;
  std::string stream_;
  std::uint64_t seen_;
  std::function<void()> wake_;
  bool scheduled_ = false;
  bool loaded_ = false;
  Lifetime lifetime_;
};

}  // namespace answermill::frontend
