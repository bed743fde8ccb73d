// The part of the document service that listens to the bus and tells watchers.
#include <algorithm>
#include <utility>

#include "frontend/server/api/document_service.h"
#include "frontend/server/api/ingest_jobs.h"
#include "frontend/server/api/ingest_progress.h"
#include "shared/log/log.h"

namespace answermill::frontend {
namespace {

// Progress comes with every page; people see this many changes a second at most.
constexpr std::chrono::milliseconds kPushInterval{60};

bool is_final(messages::GroupState state) {
  return state == messages::GroupState::kDone || state == messages::GroupState::kCancelled;
}

}  // namespace

void DocumentService::on_snapshot(const messages::Snapshot& snapshot) {
  // What the broker does not know any more is not being worked on.
  for (auto it = live_.begin(); it != live_.end();) {
    const bool known = std::any_of(snapshot.groups.begin(), snapshot.groups.end(), [&](const auto& group) {
      return group.group == it->second.progress.group;
    });
    if (known) {
      ++it;
      continue;
    }
    const std::string id = it->first;
    it = live_.erase(it);
    reread_and_push(id);
  }
  for (const auto& group : snapshot.groups) on_progress(group);
  schedule_sweep(std::chrono::milliseconds(500));
}

void DocumentService::on_progress(const messages::GroupProgress& progress) {
  switch (group_kind(progress.group)) {
    case GroupKind::kIngest:
      return ingest_progress(progress);
    case GroupKind::kDelete:
      return delete_progress(progress);
    case GroupKind::kDrop:
      return drop_progress(progress);
  }
}

void DocumentService::ingest_progress(const messages::GroupProgress& progress) {
  const std::string& id = progress.subject;
  if (is_final(progress.state)) {
    const auto found = live_.find(id);
    if (found != live_.end() && found->second.progress.group == progress.group) live_.erase(found);
    return reread_and_push(id);
  }
  auto& live = live_[id];
  if (live.progress.group == progress.group && progress.revision < live.progress.revision) return;
  if (live.progress.group != progress.group) {
    if (progress.generation < live.progress.generation) return;
    live.row.reset();
  }
  live.progress = progress;
  live.dirty = true;
  if (live.row) {
    schedule_push();
  } else {
    read_live_row(id);
  }
}

void DocumentService::read_live_row(const std::string& id) {
  auto& live = live_[id];
  if (live.reading) return;
  live.reading = true;
  services_.catalog.run([id](Catalog& catalog) { return catalog.document(id); },
                        lifetime_.guard([this, id](Result<DocumentRow> row) {
                          const auto found = live_.find(id);
                          if (found == live_.end()) return;
                          found->second.reading = false;
                          // Of another generation, or deleted: its group is about to end.
                          if (!row || row->group() != found->second.progress.group) return;
                          found->second.row = std::move(*row);
                          schedule_push();
                        }));
}

void DocumentService::delete_progress(const messages::GroupProgress& progress) {
  if (!is_final(progress.state)) return;
  const std::string id = progress.subject;
  const std::string group = progress.group;
  services_.catalog.run([id](Catalog& catalog) { return catalog.document(id); },
                        lifetime_.guard([this, id, group](const Result<DocumentRow>& row) {
                          if (row) {
                            push(view(*row));
                            return settle(group, row->error.code == ErrorCode::kOk
                                                     ? Result<bool>(false)
                                                     : Result<bool>(row->error));
                          }
                          live_.erase(id);
                          for (auto* watcher : std::set(watchers_)) watcher->on_document_removed(id);
                          settle(group, true);
                        }));
}

void DocumentService::drop_progress(const messages::GroupProgress& progress) {
  if (!is_final(progress.state)) return;
  const std::string collection(dropped_collection(progress.subject));
  const std::string group = progress.group;
  services_.catalog.run([collection](Catalog& catalog) { return catalog.collection(collection); },
                        lifetime_.guard([this, group](const Result<CollectionRow>& row) {
                          for (auto* watcher : std::set(watchers_)) watcher->on_documents_changed();
                          settle(group, !row || row->drop.empty());
                        }));
}

void DocumentService::reread_and_push(const std::string& id) {
  get(id, [this](const Result<DocumentView>& document) {
    if (document) push(*document);
  });
}

void DocumentService::schedule_push() {
  if (push_timer_ != nullptr) return;
  push_timer_ = services_.loop.after(kPushInterval, [this] {
    push_timer_.reset();
    push_dirty();
  });
}

void DocumentService::push_dirty() {
  std::vector<DocumentView> views;
  for (auto& [id, live] : live_) {
    if (!live.dirty || !live.row) continue;
    live.dirty = false;
    views.push_back(view(*live.row));
  }
  for (const auto& one : views) push(one);
}

void DocumentService::push(const DocumentView& document) {
  // A watcher may leave while it is told.
  for (auto* watcher : std::set(watchers_)) {
    if (watchers_.contains(watcher)) watcher->on_document(document);
  }
}

DocumentView DocumentService::view(const DocumentRow& row) const {
  const auto live = live_.find(row.id);
  if (live == live_.end() || live->second.progress.group != row.group()) return view_of(row);
  return view_of(row, live->second.progress);
}

}  // namespace answermill::frontend
