// What streams cost in memory, and when they leave it: live ones never, since nobody else has them; those
// that have ended when their time is over, or sooner when together they take too much. What has left is in
// the catalog.
#include "broker/core/core.h"
#include "shared/base/ids.h"
#include "shared/messages/codec.h"

namespace answermill::broker {

using namespace messages;
using streams::StreamBudget;

void Core::weigh(Stream& stream) {
  const std::size_t bytes = sizeof(Stream) + stream.spec.completion.payload.capacity() + stream.log.bytes();
  if (std::exchange(stream.weighed, bytes) != bytes) stream_budget_.resize(stream.log.stream(), bytes);
}

// It has ended: its tenant may open another.
void Core::close_stream(Stream& stream) {
  if (!std::exchange(stream.open, false)) return;
  --open_streams_;
  ++streams_closed_;
  tenants_.stream_closed(stream.tenant);
  stream.log.shrink();
  weigh(stream);
}

// Its end was told, and the catalog has it or nobody wanted it kept.
void Core::let_go(Stream& stream, TimePoint now) {
  stream.evict_at = now + config_.keep_finished;
  weigh(stream);
  stream_budget_.set(stream.log.stream(), StreamBudget::Leaves::kFirst, now);
}

// Beacons, sizes and old age, one part of the topics after another: all of them within a second.
void Core::tend_streams(TimePoint now) {
  if (next_part_ + std::chrono::seconds(1) < now) next_part_ = now - std::chrono::seconds(1);
  std::vector<std::string> old;
  for (; next_part_ < now; next_part_ += kPartPause) {
    for (const auto& [topic, members] : topics_[present_part_]) {
      Beacon beacon{boot_, {}};
      for (Stream* stream : members) {
        if (stream->evict_at <= now) old.push_back(stream->log.stream());
        weigh(*stream);
        if (!stream->quiet && (!stream->log.finished() || !stream->recorded))
          beacon.heads.push_back({stream->log.stream(), shown_next(*stream)});
      }
      if (!beacon.heads.empty()) output_.publish(topic, encode_frame(EventKind::kBeacon, beacon));
    }
    present_part_ = (present_part_ + 1) % kTopicParts;
  }
  for (const auto& stream : old) drop_stream(stream);
  while (const std::string* next = stream_budget_.next_to_leave()) {
    ++streams_evicted_;
    drop_stream(std::string(*next));
  }
}

void Core::drop_stream(const std::string& id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Stream& stream = found->second;
  tell_end(stream);
  close_stream(stream);
  const std::string topic(topic_of_stream(id));
  Topics& beside = topics_beside(topic);
  if (const auto members = beside.find(topic); members != beside.end()) {
    members->second.erase(&stream);
    if (members->second.empty()) beside.erase(members);
  }
  stream_index_.erase(stream);
  stream_budget_.forget(id);
  streams_.erase(found);
}

}  // namespace answermill::broker
