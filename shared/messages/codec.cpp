#include "shared/messages/codec.h"

#include "shared/messages/blobs.h"
#include "shared/messages/codec_impl.h"
#include "shared/messages/events.h"
#include "shared/messages/jobs.h"
#include "shared/messages/journal.h"
#include "shared/messages/query.h"
#include "shared/messages/submit.h"
#include "shared/messages/work.h"

namespace answermill::messages {

Result<Frame> split_frame(std::string_view bytes) {
  if (bytes.size() < 2) return Error{ErrorCode::kMalformed, "a frame is too short"};
  if (static_cast<std::uint8_t>(bytes[0]) != kProtocolVersion) {
    return Error{ErrorCode::kMalformed, "a peer speaks another version of the bus protocol; upgrade both"};
  }
  return Frame{static_cast<std::uint8_t>(bytes[1]), bytes.substr(2)};
}

bool decode_view(std::string_view bytes, StreamBatchView& batch) {
  detail::Reader reader(bytes);
  batch.stream = {};
  batch.epoch = 0;
  batch.events.clear();
  return bytes.size() <= kMaxMessageBytes && detail::unpack(reader, batch, detail::kMaxDepth) &&
         reader.at_end();
}

bool decode_stored(std::string_view bytes, StoredJob& job) {
  detail::Reader reader(bytes);
  return bytes.size() <= kMaxMessageBytes && detail::unpack(reader, job, detail::kMaxDepth) &&
         reader.at_end();
}

ANSWERMILL_MESSAGE(JobSpec);
ANSWERMILL_MESSAGE(GroupSpec);
ANSWERMILL_MESSAGE(GroupProgress);
ANSWERMILL_MESSAGE(StreamSpec);
ANSWERMILL_MESSAGE(StreamState);
ANSWERMILL_MESSAGE(StatusEvent);
ANSWERMILL_MESSAGE(TerminalEvent);
ANSWERMILL_MESSAGE(Outcome);
ANSWERMILL_MESSAGE(Submit);
ANSWERMILL_MESSAGE(SubmitAck);
ANSWERMILL_MESSAGE(Cancel);
ANSWERMILL_MESSAGE(Hello);
ANSWERMILL_MESSAGE(Beat);
ANSWERMILL_MESSAGE(JobResult);
ANSWERMILL_MESSAGE(Goodbye);
ANSWERMILL_MESSAGE(Welcome);
ANSWERMILL_MESSAGE(Lease);
ANSWERMILL_MESSAGE(Committed);
ANSWERMILL_MESSAGE(Revoke);
ANSWERMILL_MESSAGE(BeatReply);
ANSWERMILL_MESSAGE(Resend);
ANSWERMILL_MESSAGE(StreamBatch);
ANSWERMILL_MESSAGE(Snapshot);
ANSWERMILL_MESSAGE(Beacon);
ANSWERMILL_MESSAGE(FleetStatus);
ANSWERMILL_MESSAGE(Replay);
ANSWERMILL_MESSAGE(Replayed);
ANSWERMILL_MESSAGE(BlobAsk);
ANSWERMILL_MESSAGE(BlobStop);
ANSWERMILL_MESSAGE(BlobChunk);
ANSWERMILL_MESSAGE(BlobRefused);
ANSWERMILL_MESSAGE(StoredJob);
ANSWERMILL_MESSAGE(StoredGroup);
ANSWERMILL_MESSAGE(StoredStream);
ANSWERMILL_MESSAGE(StoredRequest);

}  // namespace answermill::messages
