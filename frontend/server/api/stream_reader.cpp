#include "frontend/server/api/stream_reader.h"

#include <utility>

namespace answermill::frontend {

StreamReader::StreamReader(Loop& loop, StreamHub& hub, std::string stream, std::uint64_t after_seq,
                           std::function<void()> wake)
    : loop_(loop), hub_(hub), stream_(std::move(stream)), seen_(after_seq), wake_(std::move(wake)) {
  hub_.attach(stream_, *this);
  on_stream(stream_);  // there may be something to read already
}

StreamReader::~StreamReader() { hub_.detach(stream_, *this); }

void StreamReader::on_stream(const std::string&) {
  if (scheduled_) return;
  scheduled_ = true;
  loop_.post(lifetime_.guard([this] {
    scheduled_ = false;
    const auto wake = wake_;  // it may destroy this reader, itself included
    wake();
  }));
}

StreamReader::Step StreamReader::pump(const std::function<bool()>& can_write,
                                      const std::function<void(const messages::StreamEvent&)>& deliver) {
  while (true) {
    if (!can_write()) return Step::kBlocked;
    const StreamSlice slice = hub_.read(stream_, seen_);
    if (slice.state == StreamSlice::State::kLoading) return Step::kIdle;
    if (slice.state == StreamSlice::State::kUnknown) return Step::kUnknown;
    if (!loaded_) {
      loaded_ = true;
      if (on_loaded) on_loaded();
    }
    if (slice.events.empty()) return Step::kIdle;
    for (const auto& event : slice.events) {
      // Not the maximum: a rewind takes a viewer that was ahead back to what survived.
      seen_ = event.last_seq;
      deliver(event);
      if (event.kind == messages::StreamEventKind::kTerminal) return Step::kEnded;
    }
  }
}

}  // namespace answermill::frontend
