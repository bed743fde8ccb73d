// frontend PUSH → broker PULL: submissions and cancels; answered on the submitter's event topic.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>

#include "shared/messages/jobs.h"

namespace answermill::messages {

enum class SubmitKind : std::uint8_t { kSubmit = 1, kCancel = 2 };

// (tenant, request_id) names a submission for 24 h: the same one again is acknowledged again and not run
// twice; the same id with another job is refused as kConflict.
struct Submit {
  std::string reply_topic;
  JobSpec job;
  std::optional<GroupSpec> group;
  std::optional<StreamSpec> stream;
  std::optional<StreamState> shown;  // resubmission: what the client has seen already

  auto tie() { return std::tie(reply_topic, job, group, stream, shown); }
};

struct SubmitAck {
  std::string request_id;
  std::string job;
  std::uint64_t boot = 0;
  ErrorCode code = ErrorCode::kOk;
  std::string message;
  std::uint32_t queue_position = 0;  // jobs that go before it; 0 when it can start at once
  std::uint32_t retry_after_ms = 0;  // with a refusal that may not last: when to try again

  auto tie() { return std::tie(request_id, job, boot, code, message, queue_position, retry_after_ms); }
};

struct Cancel {
  std::string reply_topic;
  std::string tenant;
  std::string stream;  // one of the two
  std::string group;

  auto tie() { return std::tie(reply_topic, tenant, stream, group); }
};

}  // namespace answermill::messages
