// workers PUB → XSUB broker XPUB → frontends SUB. Two frames: topic, then one of these.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "shared/messages/jobs.h"
#include "shared/messages/submit.h"

namespace answermill::messages {

enum class EventKind : std::uint8_t {
  kStream = 1,    // StreamBatch, on the stream's topic
  kSnapshot = 2,  // Snapshot, on a nonce
  kBeacon = 3,    // Beacon, on the stream's topic and on kBeaconTopic
  kAck = 4,       // SubmitAck, on the submitter's reply topic
  kProgress = 5,  // GroupProgress, on the group's topic
  kFleet = 6,     // FleetStatus, on kFleetTopic
};

// Reserved topics; none can be a random id, which has no digit 0 or 1.
inline constexpr char kFleetTopic[] = "fleet00000000000";
inline constexpr char kBeaconTopic[] = "beacon0000000000";

// Subscribing to "<kNoncePrefix><nonce><topic>" asks the relay for a snapshot of the topic, published there.
inline constexpr char kNoncePrefix[] = "0";

struct StreamBatch {
  std::string stream;
  std::uint64_t epoch = 0;
  std::vector<StreamEvent> events;

  auto tie() { return std::tie(stream, epoch, events); }
};

// A batch as it stands in its bytes, which must outlive it: what the relay reads of each event, without a
// copy.
struct StreamBatchView {
  std::string_view stream;
  std::uint64_t epoch = 0;
  std::vector<StreamEventView> events;

  auto tie() { return std::tie(stream, epoch, events); }
};

// Takes and refuses the same bytes as decode<StreamBatch>; keeps the memory of `batch`. False: malformed.
bool decode_view(std::string_view bytes, StreamBatchView& batch);

// Everything alive on a topic, in publication order with what follows on it.
struct Snapshot {
  std::uint64_t boot = 0;
  std::string topic;
  std::vector<StreamState> streams;
  std::vector<GroupProgress> groups;

  auto tie() { return std::tie(boot, topic, streams, groups); }
};

struct BeaconHead {
  std::string stream;
  std::uint64_t next_seq = 1;

  auto tie() { return std::tie(stream, next_seq); }
};

// The heads of a topic's live streams, every second: exposes a lost tail and a new boot.
struct Beacon {
  std::uint64_t boot = 0;
  std::vector<BeaconHead> heads;

  auto tie() { return std::tie(boot, heads); }
};

struct WorkerStatus {
  std::string worker;
  std::string stage;
  std::string host;
  std::uint32_t pid = 0;
  std::uint32_t slots = 0;
  std::uint32_t busy = 0;
  std::string detail;

  auto tie() { return std::tie(worker, stage, host, pid, slots, busy, detail); }
};

struct StageStatus {
  std::string stage;
  std::uint64_t queued = 0;
  std::uint64_t leased = 0;
  std::uint64_t done = 0;  // since boot
  std::uint64_t failed = 0;
  std::uint64_t quarantined = 0;

  auto tie() { return std::tie(stage, queued, leased, done, failed, quarantined); }
};

// What the broker turned away since its start; reasons as in shared/bus/refusals.h.
struct RefusalCount {
  std::string reason;
  std::uint64_t count = 0;

  auto tie() { return std::tie(reason, count); }
};

// The fleet as the broker sees it, every second and at every change of its workers.
struct FleetStatus {
  std::uint64_t boot = 0;
  std::uint64_t uptime_ms = 0;
  std::vector<WorkerStatus> workers;
  std::vector<StageStatus> stages;
  std::uint64_t open_streams = 0;
  std::uint64_t open_groups = 0;
  bool journal_ok = true;
  std::vector<RefusalCount> refused;
  std::uint64_t stream_bytes = 0;     // memory of all streams
  std::uint64_t kept_streams = 0;     // those that have ended
  std::uint64_t evicted_streams = 0;  // since boot: left before their time for want of memory

  auto tie() {
    return std::tie(boot, uptime_ms, workers, stages, open_streams, open_groups, journal_ok, refused,
                    stream_bytes, kept_streams, evicted_streams);
  }
};

}  // namespace answermill::messages
