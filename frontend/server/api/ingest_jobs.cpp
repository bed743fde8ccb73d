#include "frontend/server/api/ingest_jobs.h"

#include "frontend/server/api/services.h"
#include "shared/base/ids.h"
#include "shared/messages/codec.h"

namespace answermill::frontend {
namespace {

constexpr std::string_view kDropPrefix = "drop.";
constexpr std::string_view kDeleteSuffix = ".delete";
constexpr std::string_view kCollectionSubject = "collection:";

messages::JobSpec record_job(std::string op, std::string payload, const std::string& request_id) {
  messages::JobSpec job;
  job.stage = "record";
  job.op = std::move(op);
  job.tenant = kTenant;
  job.request_id = request_id + "-record";
  job.priority = messages::Priority::kNormal;
  job.durability = messages::Durability::kStrict;
  job.payload = std::move(payload);
  return job;
}

messages::JobSpec strict_job(std::string stage, std::string op, std::string payload, std::string request_id) {
  messages::JobSpec job;
  job.stage = std::move(stage);
  job.op = std::move(op);
  job.tenant = kTenant;
  job.request_id = std::move(request_id);
  job.durability = messages::Durability::kStrict;
  job.payload = std::move(payload);
  return job;
}

}  // namespace

std::string tenant_topic() { return topic_of(std::string("tenant:") + kTenant); }

messages::DocumentRef document_ref(const DocumentRow& row) {
  return {row.id, row.generation, row.collection, row.name, row.blob, row.size, row.material_id};
}

messages::Submit ingest_submission(const DocumentRow& row) {
  messages::Submit submit;
  submit.job = strict_job("extract", "plan", messages::encode(messages::ExtractPlan{document_ref(row)}),
                          "doc-" + row.id + "-" + std::to_string(row.generation));
  submit.job.priority = messages::Priority::kBulk;
  submit.job.group = row.group();
  submit.group = messages::GroupSpec{
      row.group(), tenant_topic(), row.id, row.generation,
      record_job("document", messages::encode(messages::RecordDocument{document_ref(row)}),
                 submit.job.request_id)};
  return submit;
}

messages::Submit delete_submission(const DocumentRow& row) {
  messages::IndexDelete payload{document_ref(row), {}};
  // The generation of the deletion is its own; the work to stop is of the one before.
  if (row.generation > 1) payload.groups.push_back(row.id + "." + std::to_string(row.generation - 1));
  messages::Submit submit;
  submit.job = strict_job("index", "delete", messages::encode(payload),
                          "delete-" + row.id + "-" + std::to_string(row.generation));
  submit.job.priority = messages::Priority::kInteractive;
  submit.job.routing_key = row.collection;
  submit.job.group = delete_group(row);
  submit.group =
      messages::GroupSpec{submit.job.group, tenant_topic(), row.id, row.generation,
                          record_job("delete", messages::encode(messages::RecordDelete{document_ref(row)}),
                                     submit.job.request_id)};
  return submit;
}

messages::Submit drop_submission(const Catalog::Drop& drop) {
  messages::Submit submit;
  submit.job =
      strict_job("index", "drop", messages::encode(messages::IndexDrop{drop.collection, drop.groups}),
                 "drop-" + drop.id);
  submit.job.priority = messages::Priority::kInteractive;
  submit.job.routing_key = drop.collection;
  submit.job.group = drop_group(drop);
  submit.group = messages::GroupSpec{
      submit.job.group, tenant_topic(), std::string(kCollectionSubject) + drop.collection, 1,
      record_job("drop", messages::encode(messages::RecordDrop{drop.collection}), submit.job.request_id)};
  return submit;
}

std::string delete_group(const DocumentRow& row) { return row.group() + std::string(kDeleteSuffix); }
std::string drop_group(const Catalog::Drop& drop) { return std::string(kDropPrefix) + drop.id; }

GroupKind group_kind(std::string_view group) {
  if (group.starts_with(kDropPrefix)) return GroupKind::kDrop;
  return group.ends_with(kDeleteSuffix) ? GroupKind::kDelete : GroupKind::kIngest;
}

std::string_view dropped_collection(std::string_view subject) {
  return subject.starts_with(kCollectionSubject) ? subject.substr(kCollectionSubject.size())
                                                 : std::string_view{};
}

}  // namespace answermill::frontend
