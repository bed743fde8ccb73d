// Every struct of the bus: what decodes must encode to something that decodes to the same.
#include <array>
#include <cstdlib>

#include "shared/messages/blobs.h"
#include "shared/messages/codec.h"
#include "shared/messages/documents.h"
#include "shared/messages/events.h"
#include "shared/messages/jobs.h"
#include "shared/messages/journal.h"
#include "shared/messages/query.h"
#include "shared/messages/questions.h"
#include "shared/messages/submit.h"
#include "shared/messages/work.h"
#include "tests/fuzz/input.h"

using namespace answermill;
using namespace answermill::messages;

namespace {

template <class Message>
void there_and_back(std::string_view bytes) {
  const auto first = decode<Message>(bytes);
  if (!first) return;
  const std::string encoded = encode(*first);
  const auto second = decode<Message>(encoded);
  if (!second || encode(*second) != encoded) std::abort();
}

using Check = void (*)(std::string_view);
template <class... Messages>
constexpr std::array<Check, sizeof...(Messages)> checks() {
  return {&there_and_back<Messages>...};
}

constexpr auto kChecks =
    checks<Submit, Cancel, SubmitAck, Hello, Beat, JobResult, Goodbye, Welcome, Lease, Committed, Revoke,
           BeatReply, Resend, StreamBatch, Snapshot, Beacon, FleetStatus, GroupProgress, Replay, Replayed,
           StoredJob, StoredGroup, StoredStream, StoredRequest, Outcome, TerminalEvent, StatusEvent, BlobAsk,
           BlobStop, BlobChunk, BlobRefused, ExtractPlan, ExtractPages, EmbedChunks, IndexUpsert, IndexDelete,
           IndexDrop, RecordDocument, RecordDelete, RecordDrop, EmbedQuery, IndexSearch, SourcesEvent,
           GenerateAnswer, CitationEvent, AnswerMeta, ReadPage, PageText, RecordAnswer, EmbedTexts,
           EmbeddedTexts, StreamState, JobSpec, GroupSpec, StreamSpec>();

// The relay's reading of a batch, in place, must agree with everybody else's.
void in_place(std::string_view bytes) {
  static StreamBatchView view;  // used again and again, as the relay does
  const auto batch = decode<StreamBatch>(bytes);
  if (decode_view(bytes, view) != batch.has_value()) std::abort();
  if (!batch) return;
  bool same = view.stream == batch->stream && view.epoch == batch->epoch &&
              view.events.size() == batch->events.size();
  for (std::size_t i = 0; same && i < view.events.size(); ++i) {
    const StreamEventView& event = view.events[i];
    same = StreamEvent{event.first_seq, event.last_seq, event.kind, event.offset, std::string(event.data)} ==
           batch->events[i];
  }
  if (!same) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)split_frame(bytes);
  kChecks.at(data[0] % kChecks.size())(bytes.substr(1));
  in_place(bytes.substr(1));
  return 0;
}
