#include "workers/generate/generate_stage.h"

#include <map>

#include "shared/http/client.h"
#include "shared/messages/codec.h"
#include "workers/generate/extractive.h"
#include "workers/generate/model_answer.h"

namespace answermill::generate {
namespace {

using runtime::Job;
using runtime::JobHandle;
using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

// Shows an answer that is known as a whole. What the stream shows already (an attempt before died) is skipped
// byte by byte; a stream that shows something else is taken back.
void show(const QuotedAnswer& answer, const messages::StreamState& shown, JobHandle& handle) {
  std::string whole;
  for (const AnswerStep& step : answer.steps) whole += step.text;
  std::size_t skip = shown.text.size();
  auto cited = shown_citations(shown);
  if (std::string_view(whole).substr(0, skip) != shown.text) {
    handle.rewind(0);
    skip = 0;
    cited.clear();
  }
  for (const AnswerStep& step : answer.steps) {
    const std::size_t known = std::min(skip, step.text.size());
    skip -= known;
    if (known < step.text.size()) handle.emit_token(std::string_view(step.text).substr(known));
    if (!step.citation || cited.count({step.citation->number, step.citation->text_begin}) > 0) continue;
    handle.emit(messages::StreamEventKind::kCitation, messages::encode(*step.citation));
  }
}

void answer_by_quoting(const messages::GenerateAnswer& work, const Job& job, JobHandle& handle) {
  const auto began = Clock::now();
  const QuotedAnswer answer = quote_answer(work);
  messages::AnswerMeta meta;
  meta.mode = answer.mode;
  meta.first_token_ms = milliseconds_since(began);
  show(answer, job.stream, handle);
  meta.total_ms = milliseconds_since(began);
  meta.finish_reason = "stop";
  messages::Outcome outcome;
  outcome.ends_stream = true;
  outcome.meta = messages::encode(meta);
  handle.finish(std::move(outcome));
}

// The answers that run; used on the client's thread only.
using Answers = std::map<std::string, std::shared_ptr<ModelAnswer>>;

class GenerateStage : public runtime::Stage {
 public:
  GenerateStage(ModelConfig config, std::uint32_t slots)
      : slots_(slots), config_(std::make_shared<const ModelConfig>(std::move(config))) {}

  std::string name() const override { return "generate"; }
  std::uint32_t slots() const override { return slots_; }
  std::string detail() const override { return config_->connected() ? "model " + config_->model : "quoting"; }

  void start(Job job, std::shared_ptr<JobHandle> handle) override {
    auto work = messages::decode<messages::GenerateAnswer>(job.spec.payload);
    if (job.spec.op != "answer" || !work) return handle->finish(runtime::malformed_payload(job));
    const auto parts =
        std::make_shared<std::pair<Job, messages::GenerateAnswer>>(std::move(job), std::move(*work));
    ModelAnswer::Setting setting{&client_, config_, dialect_};
    client_.post([setting = std::move(setting), answers = answers_, parts, handle = std::move(handle)] {
      run(setting, answers, std::move(parts->first), std::move(parts->second), handle);
    });
  }

  void cancel(const std::string& job_id) override {
    client_.post([answers = answers_, job_id] {
      const auto found = answers->find(job_id);
      if (found == answers->end()) return;
      const auto answer = found->second;  // it leaves the table as it ends
      answer->cancel();
    });
  }

 private:
  static void run(const ModelAnswer::Setting& setting, const std::shared_ptr<Answers>& answers, Job job,
                  messages::GenerateAnswer work, const std::shared_ptr<JobHandle>& handle) {
    if (handle->cancelled())
      return handle->finish(runtime::failed(ErrorCode::kCancelled, "cancelled", false));
    // Nothing to answer from: a model could only make something up.
    if (!setting.config->connected() || work.sources.passages.empty())
      return answer_by_quoting(work, job, *handle);
    const std::string id = job.spec.id;
    const std::weak_ptr<Answers> table = answers;
    const auto on_end = [table, id] {
      if (const auto alive = table.lock()) alive->erase(id);
    };
    const auto answer =
        std::make_shared<ModelAnswer>(setting, std::move(job), std::move(work), handle, on_end);
    (*answers)[id] = answer;
    answer->begin();
  }

  std::uint32_t slots_;
  std::shared_ptr<const ModelConfig> config_;
  std::shared_ptr<ChatDialect> dialect_ = std::make_shared<ChatDialect>();
  std::shared_ptr<Answers> answers_ = std::make_shared<Answers>();
  http::Client client_;  // last: it ends every answer before the rest goes
};

}  // namespace

std::unique_ptr<runtime::Stage> make_generate_stage(ModelConfig config, std::uint32_t slots) {
  return std::make_unique<GenerateStage>(std::move(config), slots);
}

}  // namespace answermill::generate
