// The log of one stream: a growing text and its events in order. The broker's relay, the worker that writes
// it and every frontend that shows it keep one each; all of them end equal, whatever was lost or repeated on
// the way.
//
// Pure: no clock, no sockets. Thread: none of its own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/messages/jobs.h"

namespace answermill::streams {

class StreamLog {
 public:
  explicit StreamLog(std::string stream) : stream_(std::move(stream)) {}
  explicit StreamLog(const messages::StreamState& state);

  enum class Applied {
    kNew,
    kDuplicate,  // known already
    kGap,        // something before it is missing: ask for a resend after last_seq()
    kStale,      // of an older epoch
    kFinished,   // the stream has ended
  };
  // Token events may overlap what is known (coalesced differently): only the new part is taken. A rewind over
  // a run of numbers voids whatever was known of that run.
  Applied apply_view(std::uint64_t epoch, const messages::StreamEventView& event);
  Applied apply(std::uint64_t epoch, const messages::StreamEvent& event) {
    return apply_view(epoch, messages::view_of(event));
  }

  // Writers: appends with the next sequence number and returns the event as it goes out.
  messages::StreamEvent append_token(std::string_view text);
  messages::StreamEvent append(messages::StreamEventKind kind, std::string data);
  messages::StreamEvent append_rewind(std::uint64_t offset);
  // Goes on from the present text at number `next` + 1: a rewind over every number in between. Whoever has
  // seen some of them had them from a writer that nobody remembers; whoever has not notices nothing.
  messages::StreamEvent append_skip(std::uint64_t next);

  // Takes over whatever `state` has beyond this log; true when something was new.
  bool merge(const messages::StreamState& state);

  // Events after `after_seq`, runs of tokens joined, about `max_bytes` of data. A reader that has seen more
  // than there is gets a kRewind to the end of the text, and the end of the stream if it has ended.
  std::vector<messages::StreamEvent> read(std::uint64_t after_seq, std::size_t max_bytes) const;

  // Every event, tokens one by one (older ones joined beyond a bound).
  messages::StreamState state() const;

  const std::string& stream() const { return stream_; }
  std::uint64_t epoch() const { return epoch_; }
  void set_epoch(std::uint64_t epoch) { epoch_ = epoch; }
  std::uint64_t next_seq() const { return next_seq_; }
  std::uint64_t last_seq() const { return next_seq_ - 1; }
  const std::string& text() const { return text_; }
  bool finished() const { return finished_; }
  // Gives back what was reserved for more of it.
  void shrink() {
    text_.shrink_to_fit();
    entries_.shrink_to_fit();
    data_.shrink_to_fit();
  }
  // What it takes in memory, about.
  std::size_t bytes() const {
    return sizeof *this + text_.capacity() + entries_.capacity() * sizeof(Entry) +
           data_.capacity() * sizeof(std::string) + data_bytes_;
  }

 private:
  // Small, since an answer has thousands: one for each token.
  struct Entry {
    std::uint64_t first_seq;
    std::uint64_t last_seq;
    std::uint64_t offset;  // kToken, kRewind
    std::uint32_t length;  // kToken: bytes of text_; kRewind: 0; others: their place in data_
    messages::StreamEventKind kind;
  };

  void take(const messages::StreamEventView& event);
  std::size_t size_of(const Entry& entry) const;
  void cut(std::uint64_t offset);
  void forget_from(std::uint64_t seq);
  messages::StreamEvent event_of(const Entry& entry) const;

  std::string stream_;
  std::uint64_t epoch_ = 0;
  std::uint64_t next_seq_ = 1;
  std::string text_;
  std::vector<Entry> entries_;
  std::vector<std::string> data_;
  std::size_t data_bytes_ = 0;
  bool finished_ = false;
};

// For a reader who has seen everything up to `after_seq`: a rewind over numbers that he has seen none of says
// nothing to him. It is left out, and the event behind it begins where it began, so that his numbers have no
// gap.
void leave_out_skips(std::vector<messages::StreamEvent>& events, std::uint64_t after_seq);

}  // namespace answermill::streams
