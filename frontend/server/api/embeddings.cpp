#include "frontend/server/api/embeddings.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace answermill::frontend {
namespace {

constexpr std::size_t kTextsOfOneJob = 32;

// Jobs run side by side; their vectors are put together in order.
struct Parts {
  std::vector<messages::EmbeddedTexts> made;
  std::size_t open = 0;
  QuestionService::Done<messages::EmbeddedTexts> done;

  void take(std::size_t index, const Result<messages::EmbeddedTexts>& part) {
    --open;
    if (!done) return;  // failed already
    if (!part) return std::exchange(done, nullptr)(part.error());
    made[index] = *part;
    if (open > 0) return;
    messages::EmbeddedTexts all = std::move(made.front());
    for (std::size_t i = 1; i < made.size(); ++i) {
      if (made[i].model != all.model || made[i].dimension != all.dimension) {
        return std::exchange(done, nullptr)(
            Error{ErrorCode::kUnavailable, "The embedder changed in the meantime: try again."});
      }
      all.vectors += made[i].vectors;
    }
    std::exchange(done, nullptr)(std::move(all));
  }
};

}  // namespace

void embed_texts(const AnswerContext& context, const std::vector<std::string>& texts, bool query,
                 QuestionService::Done<messages::EmbeddedTexts> done) {
  auto parts = std::make_shared<Parts>();
  const std::size_t jobs = (texts.size() + kTextsOfOneJob - 1) / kTextsOfOneJob;
  parts->done = std::move(done);
  parts->open = jobs;
  parts->made.resize(jobs);
  for (std::size_t job = 0; job < jobs; ++job) {
    const std::size_t first = job * kTextsOfOneJob;
    const std::size_t count = std::min(kTextsOfOneJob, texts.size() - first);
    const auto begin = texts.begin() + static_cast<std::ptrdiff_t>(first);
    messages::EmbedTexts work{{begin, begin + static_cast<std::ptrdiff_t>(count)}, query};
    context.questions.embed(std::move(work), [parts, job](const Result<messages::EmbeddedTexts>& part) {
      parts->take(job, part);
    });
  }
}

}  // namespace answermill::frontend
