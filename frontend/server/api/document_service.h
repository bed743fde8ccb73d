// Documents from upload to deletion: the catalog's rows, the jobs that work on them, and their live progress.
//
// Thread: the loop. Completions come later, on the loop, and only while the service lives.
// Errors: those of the catalog, and kUnavailable when the broker does not answer.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "frontend/server/api/services.h"
#include "frontend/server/api/upload.h"

namespace answermill::frontend {

// Somebody who looks at the document list.
class DocumentWatcher {
 public:
  virtual ~DocumentWatcher() = default;
  virtual void on_document(const DocumentView& document) = 0;
  virtual void on_document_removed(const std::string& id) = 0;
  // So much changed that the list should be read again.
  virtual void on_documents_changed() = 0;
};

struct NewDocument {
  std::string name;  // as the client sent it
  std::string collection;
  std::string type;
  std::string material_id;
};

class DocumentService final : private TopicListener {
 public:
  template <class Value>
  using Done = std::function<void(Result<Value>)>;

  explicit DocumentService(Services& services);
  ~DocumentService() override;
  DocumentService(const DocumentService&) = delete;
  DocumentService& operator=(const DocumentService&) = delete;

  // Follows the tenant's progress and takes up what an earlier process left.
  void start();

  std::unique_ptr<Upload> begin_upload();
  // The bytes are stored: note the document and have it processed.
  void add(const NewDocument& document, const Upload::Stored& stored, Done<DocumentView> done);
  // The bytes were refused: note that.
  void add_refused(const NewDocument& document, std::uint64_t size, const Error& error,
                   Done<DocumentView> done);

  void get(const std::string& id, Done<DocumentView> done);
  void list(const std::optional<std::string>& collection, Done<std::vector<DocumentView>> done);
  void counts(Done<DocumentCounts> done);
  void retry(const std::string& id, Done<DocumentView> done);
  // True: every store has acknowledged. False: it is under way and goes on without us.
  void remove(const std::string& id, Done<bool> done);
  void drop(const std::string& collection, Done<bool> done);

  void watch(DocumentWatcher& watcher) { watchers_.insert(&watcher); }
  void unwatch(DocumentWatcher& watcher) { watchers_.erase(&watcher); }

 private:
  struct Live {
    messages::GroupProgress progress;
    std::optional<DocumentRow> row;  // of the group's generation; empty until it was read
    bool reading = false;
    bool dirty = false;
  };
  struct Waiter {
    Done<bool> done;
    std::unique_ptr<Timer> timeout;
  };

  void on_snapshot(const messages::Snapshot& snapshot) override;
  void on_batch(const messages::StreamBatch&) override {}
  void on_progress(const messages::GroupProgress& progress) override;
  void on_beacon(const messages::Beacon&) override {}

  void insert(DocumentRow row, Done<DocumentView> done);
  void submit_ingest(const DocumentRow& row);
  void submit_delete(const DocumentRow& row);
  void submit(messages::Submit submission);
  void sweep();
  void resubmit(const std::vector<DocumentRow>& rows, const std::vector<Catalog::Drop>& drops);
  void schedule_sweep(std::chrono::milliseconds delay);

  void ingest_progress(const messages::GroupProgress& progress);
  void delete_progress(const messages::GroupProgress& progress);
  void drop_progress(const messages::GroupProgress& progress);
  void read_live_row(const std::string& id);
  void reread_and_push(const std::string& id);
  void schedule_push();
  void push_dirty();
  void push(const DocumentView& view);
  DocumentView view(const DocumentRow& row) const;

  void wait_for(const std::string& group, Done<bool> done);
  void settle(const std::string& group, const Result<bool>& outcome);

  Services& services_;
  std::map<std::string, Live> live_;  // by document
  std::set<std::string> submitting_;  // groups whose submission is not acknowledged yet
  std::map<std::string, std::map<std::uint64_t, Waiter>> waiters_;  // by group
  std::uint64_t next_waiter_ = 1;
  std::set<DocumentWatcher*> watchers_;
  std::unique_ptr<Timer> push_timer_;
  std::unique_ptr<Timer> sweep_timer_;
  bool following_ = false;
  Lifetime lifetime_;
};

}  // namespace answermill::frontend
