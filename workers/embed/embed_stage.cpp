#include "workers/embed/embed_stage.h"

#include <map>
#include <mutex>

#include "shared/messages/codec.h"
#include "workers/embed/ops.h"

namespace answermill::embed {
namespace {

using runtime::Job;
using runtime::JobHandle;

// The cancel flags of the jobs that run.
class Running {
 public:
  CancelFlag add(const std::string& job) {
    auto flag = std::make_shared<std::atomic<bool>>(false);
    const std::lock_guard lock(mutex_);
    flags_[job] = flag;
    return flag;
  }

  void remove(const std::string& job, const CancelFlag& flag) {
    const std::lock_guard lock(mutex_);
    const auto found = flags_.find(job);
    if (found != flags_.end() && found->second == flag) flags_.erase(found);
  }

  void cancel(const std::string& job) {
    const std::lock_guard lock(mutex_);
    if (const auto found = flags_.find(job); found != flags_.end()) found->second->store(true);
  }

 private:
  std::mutex mutex_;
  std::map<std::string, CancelFlag> flags_;  // guarded by mutex_
};

messages::Outcome failed(const Error& error) {
  if (error.code == ErrorCode::kRateLimited) return runtime::failed(error.code, error.message, true);
  return runtime::failed(error);
}

class EmbedStage : public runtime::Stage {
 public:
  EmbedStage(Embedder& embedder, std::uint32_t slots) : embedder_(embedder), slots_(slots) {}

  std::string name() const override { return "embed"; }
  std::uint32_t slots() const override { return slots_; }
  std::string detail() const override { return embedder_.model(); }

  void start(Job job, std::shared_ptr<JobHandle> handle) override {
    if (job.spec.op == "chunks") {
      start_chunks(std::move(job), std::move(handle));
    } else if (job.spec.op == "query") {
      start_query(std::move(job), std::move(handle));
    } else if (job.spec.op == "texts") {
      start_texts(std::move(job), std::move(handle));
    } else {
      handle->finish(runtime::failed(ErrorCode::kUnsupported, "embed knows no op " + job.spec.op, false));
    }
  }

  void cancel(const std::string& job_id) override { running_->cancel(job_id); }

 private:
  void start_chunks(Job job, std::shared_ptr<JobHandle> handle) {
    auto chunks = messages::decode<messages::EmbedChunks>(job.spec.payload);
    if (!chunks) return handle->finish(runtime::malformed_payload(job));
    const CancelFlag flag = running_->add(job.spec.id);
    auto texts = texts_of(*chunks);
    const auto work = std::make_shared<messages::EmbedChunks>(std::move(*chunks));
    embedder_.embed(std::move(texts), TextKind::kPassage, flag,
                    [running = running_, flag, handle = std::move(handle), spec = std::move(job.spec), work,
                     model = embedder_.model()](Result<std::vector<float>> vectors) {
                      running->remove(spec.id, flag);
                      if (!vectors) return handle->finish(failed(vectors.error()));
                      handle->finish(after_chunks(spec, std::move(*work), model, *vectors));
                    });
  }

  void start_query(Job job, std::shared_ptr<JobHandle> handle) {
    auto query = messages::decode<messages::EmbedQuery>(job.spec.payload);
    if (!query) return handle->finish(runtime::malformed_payload(job));
    const CancelFlag flag = running_->add(job.spec.id);
    const std::string text = query_text(query->search);
    embedder_.embed(
        {text}, TextKind::kQuery, flag,
        [running = running_, flag, handle = std::move(handle), id = job.spec.id, query = std::move(*query),
         text, model = embedder_.model()](Result<std::vector<float>> vectors) {
          running->remove(id, flag);
          if (!vectors) return handle->finish(failed(vectors.error()));
          handle->finish(after_query(query, text, model, *vectors));
        });
  }

  void start_texts(Job job, std::shared_ptr<JobHandle> handle) {
    auto work = messages::decode<messages::EmbedTexts>(job.spec.payload);
    if (!work) return handle->finish(runtime::malformed_payload(job));
    const CancelFlag flag = running_->add(job.spec.id);
    const std::size_t count = work->texts.size();
    const TextKind kind = work->query ? TextKind::kQuery : TextKind::kPassage;
    embedder_.embed(std::move(work->texts), kind, flag,
                    [running = running_, flag, handle = std::move(handle), id = job.spec.id, count,
                     model = embedder_.model()](Result<std::vector<float>> vectors) {
                      running->remove(id, flag);
                      if (!vectors) return handle->finish(failed(vectors.error()));
                      handle->finish(after_texts(count, model, *vectors));
                    });
  }

  Embedder& embedder_;
  std::uint32_t slots_;
  std::shared_ptr<Running> running_ = std::make_shared<Running>();
};

}  // namespace

std::unique_ptr<runtime::Stage> make_embed_stage(Embedder& embedder, std::uint32_t slots) {
  return std::make_unique<EmbedStage>(embedder, slots);
}

}  // namespace answermill::embed
