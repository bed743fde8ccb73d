// What the broker's journal keeps, row by row.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "shared/messages/jobs.h"

namespace answermill::messages {

struct StoredJob {
  JobSpec spec;
  std::uint32_t attempt = 0;
  std::uint32_t crashes = 0;
  std::uint32_t failures = 0;
  std::string attachment;
  std::string completes_group;   // this job is the completion of that group
  std::string completes_stream;  // this job records that finished stream
  StreamState stream;            // of the stream it owns, as far as it was when this was written
  std::string cause;             // of its last crash, as far as anybody knows

  auto tie() {
    return std::tie(spec, attempt, crashes, failures, attachment, completes_group, completes_stream, stream,
                    cause);
  }
};

// As decode<StoredJob>, into a new one that stays where it is: a start reads a million. False: malformed.
bool decode_stored(std::string_view bytes, StoredJob& job);

struct StoredGroup {
  GroupSpec spec;
  GroupProgress progress;

  auto tie() { return std::tie(spec, progress); }
};

struct StoredStream {
  StreamSpec spec;
  std::string tenant;

  auto tie() { return std::tie(spec, tenant); }
};

struct StoredRequest {
  std::string job;
  std::string stream;
  std::string digest;  // of the submission, to tell a repetition from a conflict

  auto tie() { return std::tie(job, stream, digest); }
};

}  // namespace answermill::messages
