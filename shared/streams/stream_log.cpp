#include "shared/streams/stream_log.h"

#include <algorithm>
#include <utility>

namespace answermill::streams {

using messages::StreamEvent;
using messages::StreamEventKind;
using messages::StreamEventView;
using messages::StreamState;

namespace {
// A state travels in one message of bounded items: beyond this the oldest tokens are joined.
constexpr std::size_t kMaxStateEvents = 16384;

bool has_data(StreamEventKind kind) {
  return kind != StreamEventKind::kToken && kind != StreamEventKind::kRewind;
}
}  // namespace

StreamLog::StreamLog(const StreamState& state) : stream_(state.stream), epoch_(state.epoch) { merge(state); }

StreamLog::Applied StreamLog::apply_view(std::uint64_t epoch, const StreamEventView& event) {
  if (epoch < epoch_) return Applied::kStale;
  if (event.last_seq < next_seq_) return Applied::kDuplicate;
  if (finished_) return Applied::kFinished;
  if (event.first_seq > next_seq_ || event.first_seq == 0 || event.last_seq == UINT64_MAX)
    return Applied::kGap;
  if (event.kind == StreamEventKind::kToken) {
    if (event.offset > text_.size()) return Applied::kGap;
  } else if (event.kind != StreamEventKind::kRewind && event.first_seq != next_seq_) {
    return Applied::kDuplicate;  // only token runs may start before what is known
  }
  epoch_ = epoch;
  take(event);
  return Applied::kNew;
}

void StreamLog::take(const StreamEventView& event) {
  Entry entry{next_seq_, event.last_seq, event.offset, 0, event.kind};
  if (event.kind == StreamEventKind::kToken) {
    const std::size_t known = std::min<std::size_t>(text_.size() - event.offset, event.data.size());
    entry.offset = text_.size();
    entry.length = static_cast<std::uint32_t>(event.data.size() - known);
    text_.append(event.data.substr(known));
  } else if (event.kind == StreamEventKind::kRewind) {
    forget_from(event.first_seq);
    entry.first_seq = event.first_seq;
    cut(event.offset);
  } else {
    entry.length = static_cast<std::uint32_t>(data_.size());
    data_.emplace_back(event.data);
    data_bytes_ += event.data.size();
    finished_ = event.kind == StreamEventKind::kTerminal;
  }
  entries_.push_back(entry);
  next_seq_ = event.last_seq + 1;
}

std::size_t StreamLog::size_of(const Entry& entry) const {
  return has_data(entry.kind) ? data_[entry.length].size() : entry.length;
}

// Text beyond the cut is dead: nobody who reads from here on needs it.
void StreamLog::cut(std::uint64_t offset) {
  if (offset >= text_.size()) return;
  text_.resize(offset);
  for (auto& entry : entries_) {
    if (entry.kind != StreamEventKind::kToken) continue;
    if (entry.offset >= offset) {
      entry.offset = offset;
      entry.length = 0;
    } else {
      entry.length = static_cast<std::uint32_t>(std::min<std::uint64_t>(entry.length, offset - entry.offset));
    }
  }
}

void StreamLog::forget_from(std::uint64_t seq) {
  while (!entries_.empty() && entries_.back().first_seq >= seq) {
    if (has_data(entries_.back().kind)) {
      data_bytes_ -= data_.back().size();
      data_.pop_back();
    }
    entries_.pop_back();
  }
  if (!entries_.empty()) entries_.back().last_seq = std::min(entries_.back().last_seq, seq - 1);
}

StreamEvent StreamLog::append_token(std::string_view text) {
  StreamEvent event{next_seq_, next_seq_, StreamEventKind::kToken, text_.size(), std::string(text)};
  take(messages::view_of(event));
  return event;
}

StreamEvent StreamLog::append(StreamEventKind kind, std::string data) {
  StreamEvent event{next_seq_, next_seq_, kind, 0, std::move(data)};
  take(messages::view_of(event));
  return event;
}

StreamEvent StreamLog::append_rewind(std::uint64_t offset) {
  StreamEvent event{
      next_seq_, next_seq_, StreamEventKind::kRewind, std::min<std::uint64_t>(offset, text_.size()), {}};
  take(messages::view_of(event));
  return event;
}

StreamEvent StreamLog::append_skip(std::uint64_t next) {
  StreamEvent event{next_seq_, std::max(next_seq_, next), StreamEventKind::kRewind, text_.size(), {}};
  take(messages::view_of(event));
  return event;
}

bool StreamLog::merge(const StreamState& state) {
  bool changed = false;
  const std::uint64_t epoch = std::max(epoch_, state.epoch);
  for (const auto& event : state.events) changed = apply(epoch, event) == Applied::kNew || changed;
  epoch_ = epoch;
  return changed;
}

StreamEvent StreamLog::event_of(const Entry& entry) const {
  StreamEvent event{entry.first_seq, entry.last_seq, entry.kind, entry.offset, {}};
  if (entry.kind == StreamEventKind::kToken) {
    event.data = text_.substr(entry.offset, entry.length);
  } else if (has_data(entry.kind)) {
    event.data = data_[entry.length];
  }
  return event;
}

std::vector<StreamEvent> StreamLog::read(std::uint64_t after_seq, std::size_t max_bytes) const {
  std::vector<StreamEvent> events;
  if (after_seq >= next_seq_) {
    const std::uint64_t seq = finished_ ? last_seq() - 1 : last_seq();
    events.push_back({seq, seq, StreamEventKind::kRewind, text_.size(), {}});
    if (finished_) events.push_back(event_of(entries_.back()));
    return events;
  }
  auto entry = std::partition_point(entries_.begin(), entries_.end(),
                                    [&](const Entry& e) { return e.last_seq <= after_seq; });
  std::size_t bytes = 0;
  for (; entry != entries_.end() && bytes < max_bytes; ++entry) {
    const bool token = entry->kind == StreamEventKind::kToken;
    if (token && !events.empty() && events.back().kind == StreamEventKind::kToken &&
        events.back().offset + events.back().data.size() == entry->offset) {
      events.back().last_seq = entry->last_seq;
      events.back().data.append(text_, entry->offset, entry->length);
    } else {
      events.push_back(event_of(*entry));
    }
    bytes += size_of(*entry);
  }
  return events;
}

StreamState StreamLog::state() const {
  StreamState state{stream_, epoch_, next_seq_, text_, {}};
  const std::size_t surplus = entries_.size() > kMaxStateEvents ? entries_.size() - kMaxStateEvents : 0;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    if (i < surplus && entry.kind == StreamEventKind::kToken && !state.events.empty() &&
        state.events.back().kind == StreamEventKind::kToken) {
      state.events.back().last_seq = entry.last_seq;
      state.events.back().data.append(text_, entry.offset, entry.length);
    } else {
      state.events.push_back(event_of(entry));
    }
  }
  return state;
}

void leave_out_skips(std::vector<StreamEvent>& events, std::uint64_t after_seq) {
  std::uint64_t begin = 0;
  auto kept = events.begin();
  for (auto& event : events) {
    const bool skip = event.kind == StreamEventKind::kRewind && event.last_seq > event.first_seq;
    if (skip && event.first_seq > after_seq) {
      if (begin == 0) begin = event.first_seq;
      continue;
    }
    if (begin != 0) event.first_seq = std::exchange(begin, 0);
    if (&*kept != &event) *kept = std::move(event);
    ++kept;
  }
  events.erase(kept, events.end());
}

}  // namespace answermill::streams
