#include "frontend/server/api/record_stage.h"

#include "frontend/server/api/ingest_progress.h"
#include "shared/base/ids.h"
#include "shared/messages/codec.h"
#include "shared/messages/documents.h"
#include "shared/messages/questions.h"

namespace answermill::frontend {

messages::Outcome job_outcome(const Status& status) {
  messages::Outcome outcome;
  if (status) return outcome;
  outcome.status = messages::OutcomeStatus::kFailed;
  outcome.code = status.error().code;
  outcome.message = status.error().message;
  outcome.retryable = status.error().code != ErrorCode::kMalformed;
  return outcome;
}

namespace {

Status malformed() { return Error{ErrorCode::kMalformed, "The payload of a record job does not decode."}; }

Status record_document(Catalog& catalog, const bus::Job& job, std::int64_t now_ms) {
  const auto payload = messages::decode<messages::RecordDocument>(job.spec.payload);
  const auto progress = messages::decode<messages::GroupProgress>(job.attachment);
  if (!payload || !progress) return malformed();
  return catalog.finish_document(payload->document.id, payload->document.generation, outcome_of(*progress),
                                 now_ms);
}

// Runs twice for a deletion that went well: once as what follows the index's own deletion, and once as the
// end of its group, which then also knows whether the index failed.
Status record_delete(Catalog& catalog, const bus::Job& job, std::int64_t now_ms) {
  const auto payload = messages::decode<messages::RecordDelete>(job.spec.payload);
  if (!payload) return malformed();
  if (!job.attachment.empty()) {
    const auto progress = messages::decode<messages::GroupProgress>(job.attachment);
    if (!progress) return malformed();
    if (!progress->failures.empty()) {
      const auto& failure = progress->failures.front();
      return catalog.fail_delete(payload->document.id, payload->document.generation,
                                 {failure.code, "It could not be deleted: " + failure.message}, now_ms);
    }
  }
  return catalog.finish_delete(payload->document.id);
}

Status record_drop(Catalog& catalog, const bus::Job& job) {
  const auto payload = messages::decode<messages::RecordDrop>(job.spec.payload);
  if (!payload) return malformed();
  if (!job.attachment.empty()) {
    const auto progress = messages::decode<messages::GroupProgress>(job.attachment);
    if (!progress) return malformed();
    // The next sweep tries again, under a name that the broker has not seen.
    if (!progress->failures.empty()) return catalog.renew_drop(payload->collection, random_id());
  }
  return catalog.finish_drop(payload->collection);
}

Status record_answer(Catalog& catalog, const bus::Job& job, std::int64_t now_ms) {
  const auto payload = messages::decode<messages::RecordAnswer>(job.spec.payload);
  const auto state = messages::decode<messages::StreamState>(job.attachment);
  if (!payload || !state) return malformed();
  return catalog.finish_answer(*payload, *state, now_ms);
}

}  // namespace

messages::Outcome record(Catalog& catalog, const bus::Job& job, std::int64_t now_ms) {
  const std::string& op = job.spec.op;
  if (op == "document") return job_outcome(record_document(catalog, job, now_ms));
  if (op == "delete") return job_outcome(record_delete(catalog, job, now_ms));
  if (op == "drop") return job_outcome(record_drop(catalog, job));
  if (op == "answer") return job_outcome(record_answer(catalog, job, now_ms));
  return job_outcome(Error{ErrorCode::kMalformed, "The record stage knows no op of this name."});
}

}  // namespace answermill::frontend
