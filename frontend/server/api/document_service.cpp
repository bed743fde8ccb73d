#include "frontend/server/api/document_service.h"

#include <utility>

#include "frontend/server/api/ingest_jobs.h"
#include "frontend/server/api/ingest_progress.h"
#include "frontend/server/catalog/file_name.h"
#include "shared/base/ids.h"
#include "shared/log/log.h"
#include "shared/text/utf8.h"

namespace answermill::frontend {
namespace {

using namespace std::chrono_literals;

constexpr auto kSweepInterval = 30s;
constexpr auto kRemovalPatience = 25s;
constexpr std::size_t kMaxTypeBytes = 100;
constexpr std::size_t kMaxMaterialIdBytes = 200;

std::string bounded(std::string_view value, std::size_t limit) {
  std::string repaired = text::repair_utf8(value);
  repaired.resize(text::floor_boundary(repaired, limit));
  return repaired;
}

DocumentRow row_of(const NewDocument& document, std::int64_t now_ms) {
  DocumentRow row;
  row.id = random_id();
  row.name = display_name(document.name);
  row.collection = document.collection.empty() ? kDefaultCollection : document.collection;
  row.type = document.type.empty() ? type_for_name(row.name) : bounded(document.type, kMaxTypeBytes);
  row.material_id = bounded(document.material_id, kMaxMaterialIdBytes);
  row.created_ms = now_ms;
  return row;
}

}  // namespace

DocumentService::DocumentService(Services& services) : services_(services) {}

DocumentService::~DocumentService() {
  if (following_) services_.bus.unfollow(tenant_topic(), *this);
}

void DocumentService::start() {
  following_ = true;
  services_.bus.follow(tenant_topic(), *this);
  schedule_sweep(1s);  // the snapshot, which says what the broker knows, comes first
}

std::unique_ptr<Upload> DocumentService::begin_upload() {
  return std::make_unique<Upload>(services_.loop, services_.disk, services_.blobs,
                                  services_.facts.upload_bytes);
}

void DocumentService::add(const NewDocument& document, const Upload::Stored& stored,
                          Done<DocumentView> done) {
  DocumentRow row = row_of(document, services_.loop.unix_ms());
  row.blob = stored.hash;
  row.size = stored.size;
  insert(std::move(row), std::move(done));
}

void DocumentService::add_refused(const NewDocument& document, std::uint64_t size, const Error& error,
                                  Done<DocumentView> done) {
  DocumentRow row = row_of(document, services_.loop.unix_ms());
  row.size = size;
  row.state = DocumentState::kFailed;
  row.error = error;
  row.finished_ms = row.created_ms;
  insert(std::move(row), std::move(done));
}

void DocumentService::insert(DocumentRow row, Done<DocumentView> done) {
  if (!is_collection_name(row.collection)) {
    return done(
        Error{ErrorCode::kInvalidArgument,
              "A collection's name has 1 to 64 letters, digits, '_', '-' or '.', and no dot in front."});
  }
  services_.catalog.run([row](Catalog& catalog) { return catalog.insert_document(row); },
                        lifetime_.guard([this, row, done = std::move(done)](const Status& inserted) {
                          if (!inserted) return done(inserted.error());
                          if (row.state == DocumentState::kQueued) submit_ingest(row);
                          push(view(row));
                          done(view(row));
                        }));
}

void DocumentService::get(const std::string& id, Done<DocumentView> done) {
  services_.catalog.run([id](Catalog& catalog) { return catalog.document(id); },
                        lifetime_.guard([this, done = std::move(done)](Result<DocumentRow> row) {
                          if (!row) return done(row.error());
                          done(view(*row));
                        }));
}

void DocumentService::list(const std::optional<std::string>& collection,
                           Done<std::vector<DocumentView>> done) {
  services_.catalog.run(
      [collection](Catalog& catalog) { return catalog.documents(collection); },
      lifetime_.guard([this, done = std::move(done)](const Result<std::vector<DocumentRow>>& rows) {
        if (!rows) return done(rows.error());
        std::vector<DocumentView> views;
        views.reserve(rows->size());
        for (const auto& row : *rows) views.push_back(view(row));
        done(std::move(views));
      }));
}

void DocumentService::counts(Done<DocumentCounts> done) {
  services_.catalog.run([](Catalog& catalog) { return catalog.count_documents(); },
                        lifetime_.guard([this, done = std::move(done)](Result<DocumentCounts> counts) {
                          if (!counts) return done(counts.error());
                          // The rows say "queued" until the end; the bus knows which of them are being worked
                          // on.
                          const auto running = std::min<std::uint64_t>(live_.size(), counts->queued);
                          counts->queued -= running;
                          counts->processing += running;
                          done(*counts);
                        }));
}

void DocumentService::retry(const std::string& id, Done<DocumentView> done) {
  services_.catalog.run([id](Catalog& catalog) { return catalog.retry_document(id); },
                        lifetime_.guard([this, done = std::move(done)](const Result<DocumentRow>& row) {
                          if (!row) return done(row.error());
                          submit_ingest(*row);
                          push(view(*row));
                          done(view(*row));
                        }));
}

void DocumentService::remove(const std::string& id, Done<bool> done) {
  services_.catalog.run([id](Catalog& catalog) { return catalog.begin_delete(id); },
                        lifetime_.guard([this, done = std::move(done)](const Result<DocumentRow>& row) {
                          if (!row) return done(row.error());
                          live_.erase(row->id);
                          push(view(*row));
                          wait_for(delete_group(*row), done);
                          submit_delete(*row);
                        }));
}

void DocumentService::drop(const std::string& collection, Done<bool> done) {
  services_.catalog.run(
      [collection, id = random_id()](Catalog& catalog) { return catalog.begin_drop(collection, id); },
      lifetime_.guard([this, done = std::move(done)](const Result<Catalog::Drop>& drop) {
        if (!drop) return done(drop.error());
        for (auto* watcher : std::set(watchers_)) watcher->on_documents_changed();
        wait_for(drop_group(*drop), done);
        submit(drop_submission(*drop));
      }));
}

void DocumentService::submit_ingest(const DocumentRow& row) { submit(ingest_submission(row)); }
void DocumentService::submit_delete(const DocumentRow& row) { submit(delete_submission(row)); }

// Not acknowledged is not an error here: the row stays as it is, and the sweep submits it again.
void DocumentService::submit(messages::Submit submission) {
  const std::string group = submission.job.group;
  if (!submitting_.insert(group).second) return;
  services_.bus.submit(std::move(submission), lifetime_.guard([this, group](const messages::SubmitAck& ack) {
    submitting_.erase(group);
    if (ack.code == ErrorCode::kOk) return;
    log::warn("group={} code={} a submission was not taken and will be repeated: {}", group,
              to_string(ack.code), ack.message);
  }));
}

void DocumentService::schedule_sweep(std::chrono::milliseconds delay) {
  sweep_timer_ = services_.loop.after(delay, [this] {
    schedule_sweep(kSweepInterval);
    sweep();
  });
}

void DocumentService::sweep() {
  services_.catalog.run([](Catalog& catalog) { return catalog.unsettled_documents(); },
                        lifetime_.guard([this](const Result<std::vector<DocumentRow>>& rows) {
                          if (!rows)
                            return log::error("the catalog cannot be swept: {}", rows.error().message);
                          resubmit(*rows, {});
                        }));
  services_.catalog.run([](Catalog& catalog) { return catalog.unfinished_drops(); },
                        lifetime_.guard([this](const Result<std::vector<Catalog::Drop>>& drops) {
                          if (drops) resubmit({}, *drops);
                        }));
}

void DocumentService::resubmit(const std::vector<DocumentRow>& rows,
                               const std::vector<Catalog::Drop>& drops) {
  const std::int64_t fresh_ms =
      services_.loop.unix_ms() - 1000;  // its first submission is under way somewhere
  for (const auto& row : rows) {
    if (row.created_ms > fresh_ms) continue;
    if (row.state == DocumentState::kDeleting) {
      submit_delete(row);
    } else {
      const auto live = live_.find(row.id);
      if (live == live_.end() || live->second.progress.group != row.group()) submit_ingest(row);
    }
  }
  for (const auto& drop : drops) submit(drop_submission(drop));
}

void DocumentService::wait_for(const std::string& group, Done<bool> done) {
  const auto number = next_waiter_++;
  auto timeout = services_.loop.after(kRemovalPatience, [this, group, number] {
    const auto found = waiters_.find(group);
    if (found == waiters_.end()) return;
    auto node = found->second.extract(number);
    if (found->second.empty()) waiters_.erase(found);
    if (!node.empty()) node.mapped().done(false);
  });
  waiters_[group].emplace(number, Waiter{std::move(done), std::move(timeout)});
}

void DocumentService::settle(const std::string& group, const Result<bool>& outcome) {
  auto node = waiters_.extract(group);
  if (node.empty()) return;
  for (auto& [number, waiter] : node.mapped()) waiter.done(outcome);
}

}  // namespace answermill::frontend
