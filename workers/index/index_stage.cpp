#include "workers/index/index_stage.h"

#include <pthread.h>

#include <algorithm>
#include <csignal>

#include "shared/log/log.h"
#include "shared/messages/codec.h"

namespace answermill::index {
namespace {

bool is_read(std::string_view op) { return op == "search" || op == "page"; }

messages::Outcome done() { return {}; }

messages::Outcome with_event(messages::StreamEventKind kind, std::string data) {
  messages::Outcome outcome;
  messages::StreamEvent event;
  event.kind = kind;
  event.data = std::move(data);
  outcome.events.push_back(std::move(event));
  return outcome;
}

messages::JobSpec follow_up(std::string stage, std::string op, std::string payload) {
  messages::JobSpec job;
  job.stage = std::move(stage);
  job.op = std::move(op);
  job.payload = std::move(payload);
  return job;
}

messages::Outcome outcome_of(const Status& status) {
  return status ? done() : runtime::failed(status.error());
}

}  // namespace

IndexStage::IndexStage(IndexConfig config) : config_(std::move(config)) {
  // The threads never see a signal: the runtime reads them by signalfd.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (std::uint32_t i = 0; i < std::max(1U, config_.writers); ++i)
    threads_.emplace_back([this] { write_loop(); });
  for (std::uint32_t i = 0; i < std::max(1U, config_.readers); ++i)
    threads_.emplace_back([this] { read_loop(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

IndexStage::~IndexStage() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  writes_changed_.notify_all();
  reads_changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::string IndexStage::detail() const { return "FAISS flat + Xapian BM25"; }

// Writes queue by routing key, which is the collection: decoding vectors is work for the threads.
void IndexStage::start(runtime::Job job, std::shared_ptr<runtime::JobHandle> handle) {
  const std::lock_guard lock(mutex_);
  if (is_read(job.spec.op)) {
    reads_.push_back({std::move(job), std::move(handle)});
    reads_changed_.notify_one();
    return;
  }
  const std::string name = job.spec.routing_key;
  Queue& queue = writes_[name];
  queue.tasks.push_back({std::move(job), std::move(handle)});
  if (queue.tasks.size() == 1 && !queue.taken) {
    writable_.push_back(name);
    writes_changed_.notify_one();
  }
}

void IndexStage::write_loop() {
  use_one_thread_for_math();
  std::unique_lock lock(mutex_);
  while (true) {
    const bool woken =
        writes_changed_.wait_for(lock, config_.save_idle, [this] { return stopping_ || !writable_.empty(); });
    if (!woken) {
      lock.unlock();
      save_where_due(true);
      lock.lock();
      continue;
    }
    if (writable_.empty()) return;  // stopping, and nothing waits
    const std::string name = std::move(writable_.front());
    writable_.pop_front();
    Queue& queue = writes_[name];
    queue.taken = true;
    std::vector<Task> group = next_group(queue);
    lock.unlock();
    run_group(group);
    group.clear();
    save_where_due(false);
    lock.lock();
    queue.taken = false;
    if (queue.tasks.empty()) {
      writes_.erase(name);
    } else {
      writable_.push_back(name);
      writes_changed_.notify_one();
    }
  }
}

// A run of upserts, or one other write.
std::vector<IndexStage::Task> IndexStage::next_group(Queue& queue) const {
  std::vector<Task> group;
  std::size_t bytes = 0;
  while (!queue.tasks.empty() && bytes < config_.group_bytes) {
    const bool is_upsert = queue.tasks.front().job.spec.op == "upsert";
    if (!group.empty() && !is_upsert) break;
    bytes += queue.tasks.front().job.spec.payload.size();
    group.push_back(std::move(queue.tasks.front()));
    queue.tasks.pop_front();
    if (!is_upsert) break;
  }
  return group;
}

void IndexStage::run_group(std::vector<Task>& tasks) {
  const std::string& op = tasks.front().job.spec.op;
  if (op == "upsert") return run_upserts(tasks);
  const runtime::Job& job = tasks.front().job;
  if (op == "delete") return tasks.front().handle->finish(run_delete(job));
  if (op == "drop") return tasks.front().handle->finish(run_drop(job));
  tasks.front().handle->finish(
      runtime::failed(ErrorCode::kInvalidArgument, "the index knows no operation '" + op + "'", false));
}

// The routing key only orders the jobs; which collection a payload belongs to, it says itself.
void IndexStage::run_upserts(std::vector<Task>& tasks) {
  struct Batch {
    std::vector<messages::IndexUpsert> payloads;
    std::vector<Task*> tasks;
  };
  std::map<std::string, Batch> batches;
  for (Task& task : tasks) {
    auto payload = messages::decode<messages::IndexUpsert>(task.job.spec.payload);
    if (task.handle->cancelled()) {
      task.handle->finish(runtime::failed(ErrorCode::kCancelled, "cancelled", false));
    } else if (!payload) {
      task.handle->finish(runtime::malformed_payload(task.job));
    } else {
      Batch& batch = batches[payload->document.collection];
      batch.payloads.push_back(std::move(*payload));
      batch.tasks.push_back(&task);
    }
  }
  for (auto& [name, batch] : batches) {
    std::vector<UpsertRequest> requests;
    for (std::size_t i = 0; i < batch.tasks.size(); ++i) {
      const runtime::Job& job = batch.tasks[i]->job;
      requests.push_back({&batch.payloads[i], job.owner_epoch, job.spec.group});
    }
    auto opened = collection(name, true);
    const std::vector<Status> statuses =
        opened ? (*opened)->upsert(requests) : std::vector<Status>(requests.size(), Status(opened.error()));
    for (std::size_t i = 0; i < statuses.size(); ++i) batch.tasks[i]->handle->finish(outcome_of(statuses[i]));
  }
}

messages::Outcome IndexStage::run_delete(const runtime::Job& job) {
  auto payload = messages::decode<messages::IndexDelete>(job.spec.payload);
  if (!payload) return runtime::malformed_payload(job);
  auto opened = collection(payload->document.collection, true);
  if (!opened) return runtime::failed(opened.error());
  if (auto removed = (*opened)->remove(*payload, job.owner_epoch); !removed)
    return runtime::failed(removed.error());
  messages::Outcome outcome;
  outcome.cancel_groups = payload->groups;
  outcome.followups.push_back(
      follow_up("record", "delete", messages::encode(messages::RecordDelete{payload->document})));
  return outcome;
}

messages::Outcome IndexStage::run_drop(const runtime::Job& job) {
  auto payload = messages::decode<messages::IndexDrop>(job.spec.payload);
  if (!payload) return runtime::malformed_payload(job);
  auto opened = collection(payload->collection, true);
  if (!opened) return runtime::failed(opened.error());
  if (auto dropped = (*opened)->drop(*payload, job.owner_epoch); !dropped)
    return runtime::failed(dropped.error());
  messages::Outcome outcome;
  outcome.cancel_groups = payload->groups;
  outcome.followups.push_back(
      follow_up("record", "drop", messages::encode(messages::RecordDrop{payload->collection})));
  return outcome;
}

void IndexStage::read_loop() {
  use_one_thread_for_math();
  std::unique_lock lock(mutex_);
  while (true) {
    reads_changed_.wait(lock, [this] { return stopping_ || !reads_.empty(); });
    if (reads_.empty()) return;
    const Task task = std::move(reads_.front());
    reads_.pop_front();
    lock.unlock();
    if (task.handle->cancelled()) {
      task.handle->finish(runtime::failed(ErrorCode::kCancelled, "cancelled", false));
    } else {
      task.handle->finish(task.job.spec.op == "search" ? run_search(task.job) : run_page(task.job));
    }
    lock.lock();
  }
}

messages::Outcome IndexStage::run_search(const runtime::Job& job) {
  auto payload = messages::decode<messages::IndexSearch>(job.spec.payload);
  if (!payload || payload->vector.size() != std::size_t{payload->dimension} * sizeof(float)) {
    return runtime::malformed_payload(job);
  }
  messages::SourcesEvent sources;
  auto opened = collection(payload->search.collection, false);
  if (!opened) return runtime::failed(opened.error());
  if (*opened) {
    auto found = (*opened)->search(*payload, job.owner_epoch);
    if (!found) return runtime::failed(found.error());
    sources = std::move(*found);
  }
  if (!payload->search.answer) {
    auto outcome = with_event(messages::StreamEventKind::kResult, messages::encode(sources));
    outcome.ends_stream = true;
    return outcome;
  }
  auto outcome = with_event(messages::StreamEventKind::kSources, messages::encode(sources));
  const messages::StatusEvent status{"generate", "Writing the answer"};
  outcome.events.push_back({0, 0, messages::StreamEventKind::kStatus, 0, messages::encode(status)});
  messages::GenerateAnswer answer;
  answer.request = std::move(*payload->search.answer);
  answer.sources = std::move(sources);
  answer.collection = payload->search.collection;
  outcome.followups.push_back(follow_up("generate", "answer", messages::encode(answer)));
  return outcome;
}

messages::Outcome IndexStage::run_page(const runtime::Job& job) {
  auto payload = messages::decode<messages::ReadPage>(job.spec.payload);
  if (!payload) return runtime::malformed_payload(job);
  messages::PageText text;
  text.document = payload->document;
  text.page = payload->page;
  auto opened = collection(payload->collection, false);
  if (!opened) return runtime::failed(opened.error());
  if (*opened) {
    auto read = (*opened)->page(*payload);
    if (!read) return runtime::failed(read.error());
    text = std::move(*read);
  }
  auto outcome = with_event(messages::StreamEventKind::kResult, messages::encode(text));
  outcome.ends_stream = true;
  return outcome;
}

Result<std::shared_ptr<Collection>> IndexStage::collection(const std::string& name, bool make) {
  const std::filesystem::path folder = config_.root / folder_name(name);
  std::shared_ptr<Slot> slot;
  {
    const std::lock_guard lock(open_mutex_);
    std::shared_ptr<Slot>& entry = open_[name];
    if (!entry) {
      std::error_code failure;
      if (!make && !std::filesystem::exists(folder, failure)) {
        open_.erase(name);
        return std::shared_ptr<Collection>();
      }
      entry = std::make_shared<Slot>();
    }
    slot = entry;
  }
  const std::lock_guard lock(slot->opening);
  if (!slot->collection) {
    auto opened = Collection::open(folder, name);
    if (!opened) return opened.error();
    slot->collection = std::move(*opened);
  }
  return slot->collection;
}

void IndexStage::save_where_due(bool idle) {
  std::vector<std::shared_ptr<Slot>> slots;
  {
    const std::lock_guard lock(open_mutex_);
    for (const auto& [name, slot] : open_) slots.push_back(slot);
  }
  for (const auto& slot : slots) {
    std::shared_ptr<Collection> opened;
    {
      const std::lock_guard lock(slot->opening);
      opened = slot->collection;
    }
    if (!opened || opened->unsaved() < (idle ? 1 : config_.save_after)) continue;
    if (auto saved = opened->save(); !saved) log::warn("{}", saved.error().message);
  }
}

}  // namespace answermill::index
