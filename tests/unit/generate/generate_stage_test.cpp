#include "workers/generate/generate_stage.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <mutex>

#include "shared/http/client.h"
#include "shared/messages/codec.h"
#include "shared/messages/questions.h"
#include "shared/text/utf8.h"
#include "tests/unit/generate/model_server.h"

namespace answermill::generate {
namespace {

using messages::StreamEventKind;

class FakeHandle : public runtime::JobHandle {
 public:
  explicit FakeHandle(std::string shown) : text_(std::move(shown)) {}

  void emit_token(std::string_view text) override {
    const std::lock_guard lock(mutex_);
    text_ += text;
    ++tokens_;
    if (tokens_ == 1) first_.set_value();
  }
  void emit(StreamEventKind kind, std::string data) override {
    ASSERT_EQ(kind, StreamEventKind::kCitation);
    const std::lock_guard lock(mutex_);
    citations_.push_back(*messages::decode<messages::CitationEvent>(data));
  }
  void rewind(std::uint64_t offset) override {
    const std::lock_guard lock(mutex_);
    text_.resize(offset);
    ++rewinds_;
  }
  std::uint64_t text_length() const override { return text_.size(); }
  void progress(std::uint32_t) override {}
  bool cancelled() const override { return cancelled_; }
  void finish(messages::Outcome outcome) override { outcome_.set_value(std::move(outcome)); }

  std::atomic<bool> cancelled_{false};
  std::mutex mutex_;
  std::string text_;
  int tokens_ = 0;
  int rewinds_ = 0;
  std::vector<messages::CitationEvent> citations_;
  std::promise<void> first_;
  std::promise<messages::Outcome> outcome_;
};

struct Answered {
  std::shared_ptr<FakeHandle> handle;
  messages::Outcome outcome;
  messages::AnswerMeta meta;
};

runtime::Job job(const std::string& id, const std::string& model, const std::string& shown,
                 bool passages = true) {
  messages::GenerateAnswer work;
  work.request.question = "Which colour has the barn door?";
  work.request.model = model;
  if (passages) {
    messages::Passage p;
    p.number = 1;
    p.document = "doc";
    p.document_name = "farm.txt";
    p.page = 2;
    p.begin = 10;
    p.text = "The farm is old. The barn door is red.";
    p.end = p.begin + static_cast<std::uint32_t>(p.text.size());
    work.sources.passages.push_back(p);
  }
  work.sources.coverage = {3, 3, 1, 1};
  runtime::Job j;
  j.spec.id = id;
  j.spec.stage = "generate";
  j.spec.op = "answer";
  j.spec.payload = messages::encode(work);
  j.attempt = shown.empty() ? 1 : 2;
  j.stream.text = shown;
  j.deadline = std::chrono::steady_clock::time_point::max();
  return j;
}

Answered run(runtime::Stage& stage, runtime::Job j) {
  Answered r{std::make_shared<FakeHandle>(j.stream.text), {}, {}};
  stage.start(std::move(j), r.handle);
  r.outcome = r.handle->outcome_.get_future().get();
  if (const auto meta = messages::decode<messages::AnswerMeta>(r.outcome.meta)) r.meta = *meta;
  return r;
}

class GenerateStage : public testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new ModelServer; }
  static void TearDownTestSuite() { delete server_; }
  void SetUp() override {
    if (server_->base_url().empty()) GTEST_SKIP() << "node is not installed";
    config_.base_url = server_->base_url();
    config_.model = "instant";
    config_.key = "sk-test";
    config_.gap_timeout = std::chrono::seconds(20);
    config_.first_token_timeout = std::chrono::seconds(20);
  }
  Answered ask(const std::string& model, const std::string& shown = {}) {
    const auto stage = make_generate_stage(config_, 8);
    return run(*stage, job("j", model, shown));
  }
  static std::string tokens(int from, int to) {
    std::string text;
    for (int i = from; i <= to; ++i) text += (i > 1 ? " token" : "token") + std::to_string(i);
    return text;
  }

  static ModelServer* server_;
  ModelConfig config_;
};
ModelServer* GenerateStage::server_ = nullptr;

TEST(QuotingStage, QuotesAndResumesByteExactly) {
  const auto stage = make_generate_stage({}, 8);
  EXPECT_EQ(stage->detail(), "quoting");
  const Answered whole = run(*stage, job("a", "", ""));
  EXPECT_TRUE(whole.outcome.ends_stream);
  EXPECT_EQ(whole.meta.mode, "quoting");
  ASSERT_EQ(whole.handle->citations_.size(), 1U);
  EXPECT_TRUE(whole.handle->citations_[0].exact);
  EXPECT_EQ(whole.handle->citations_[0].begin, 27U);
  const std::string text = whole.handle->text_;
  for (std::size_t cut = 1; cut <= text.size(); ++cut) {
    const Answered again = run(*stage, job("a", "", text.substr(0, cut)));
    ASSERT_EQ(again.handle->text_, text) << cut;
    ASSERT_EQ(again.handle->rewinds_, 0);
    ASSERT_EQ(again.handle->citations_.size(), 1U);
  }
  auto seen = job("a", "", text);
  seen.stream.events.push_back(
      {1, 1, StreamEventKind::kCitation, 0, messages::encode(whole.handle->citations_[0])});
  EXPECT_TRUE(run(*stage, std::move(seen)).handle->citations_.empty());
  EXPECT_EQ(run(*stage, job("a", "", "Something else")).handle->text_, text);
}

TEST_F(GenerateStage, StreamsAnAnswerWithItsCitation) {
  const Answered r = ask("instant");
  EXPECT_EQ(r.handle->text_, "The documents say so [1].");
  EXPECT_EQ(r.handle->tokens_, 5);
  ASSERT_EQ(r.handle->citations_.size(), 1U);
  EXPECT_EQ(r.handle->citations_[0].text_begin, 21U);
  EXPECT_TRUE(r.outcome.ends_stream);
  EXPECT_EQ(r.meta.mode, "model");
  EXPECT_TRUE(r.meta.tokens_measured);
  EXPECT_EQ(r.meta.output_tokens, 5U);
  EXPECT_EQ(r.meta.finish_reason, "stop");
}

TEST_F(GenerateStage, NarrowsTheCitationToTheSentence) {
  const Answered r = ask("cite-fast");
  EXPECT_EQ(r.handle->text_, "The farm is old [1].");
  ASSERT_EQ(r.handle->citations_.size(), 1U);
  EXPECT_EQ(r.handle->citations_[0].begin, 10U);
  EXPECT_EQ(r.handle->citations_[0].end, 25U);
  EXPECT_TRUE(r.handle->citations_[0].exact);
}

TEST_F(GenerateStage, KeepsEveryScriptWholeWhateverTheBytesComeIn) {
  const Answered r = ask("split-bytes");
  EXPECT_TRUE(text::is_valid_utf8(r.handle->text_));
  EXPECT_EQ(r.handle->text_, "Grüße aus Köln [1]. 你好，世界 [2]。Привет, мир! مرحبا 🌍🚀 — naïve café [1].");
  EXPECT_EQ(r.handle->citations_.size(), 2U);  // there is no passage 2
}

TEST_F(GenerateStage, CarriesAMegabyteWhole) {
  const Answered r = ask("long-1mb");
  EXPECT_EQ(r.handle->text_.size(), 1U << 20U);
}

TEST_F(GenerateStage, LearnsTheServersDialect) {
  const Answered r = ask("no-usage");
  EXPECT_EQ(r.handle->text_, tokens(1, 40));
  EXPECT_FALSE(r.meta.tokens_measured);
  EXPECT_GT(r.meta.output_tokens, 0U);
  EXPECT_EQ(ask("needs-completion-tokens").handle->text_, tokens(1, 40));
}

TEST_F(GenerateStage, SaysWhyAServerRefused) {
  const Answered r = ask("error-500");
  EXPECT_EQ(r.outcome.status, messages::OutcomeStatus::kFailed);
  EXPECT_EQ(r.outcome.code, ErrorCode::kUpstream);
  EXPECT_TRUE(r.outcome.retryable);
  EXPECT_EQ(r.outcome.message, "The model server failed (500): This model always answers 500.");
  EXPECT_FALSE(ask("error-401").outcome.retryable);
  EXPECT_FALSE(ask("empty").handle->text_.size());
  config_.base_url = "http://127.0.0.1:1";
  const Answered gone = ask("instant");
  EXPECT_TRUE(gone.outcome.retryable);
  EXPECT_EQ(gone.outcome.code, ErrorCode::kUpstream);
}

TEST_F(GenerateStage, GoesOnWhereACutAnswerEnded) {
  const Answered cut = ask("cut-once-5");
  EXPECT_EQ(cut.outcome.status, messages::OutcomeStatus::kFailed);
  EXPECT_TRUE(cut.outcome.retryable);
  EXPECT_EQ(cut.handle->text_, tokens(1, 5));
  const Answered rest = ask("cut-once-5", cut.handle->text_);
  EXPECT_EQ(rest.handle->text_, tokens(1, 40));
  EXPECT_EQ(rest.handle->rewinds_, 0);
}

TEST_F(GenerateStage, DropsWhatAServerRepeatsAndRewindsForAnother) {
  const Answered first = ask("restart-after-5");
  const Answered repeated = ask("restart-after-5", first.handle->text_);
  EXPECT_EQ(repeated.handle->text_, tokens(1, 40));
  EXPECT_EQ(repeated.handle->rewinds_, 0);
  const Answered other = ask("differ-after-5");
  const Answered rewound = ask("differ-after-5", other.handle->text_);
  EXPECT_EQ(rewound.handle->rewinds_, 1);
  EXPECT_EQ(rewound.handle->text_.substr(0, 13), "Other1 Other2");
}

TEST_F(GenerateStage, EndsAStalledSilentOrBrokenStream) {
  config_.gap_timeout = std::chrono::milliseconds(300);
  const Answered stalled = ask("stall-after-5");
  EXPECT_EQ(stalled.outcome.code, ErrorCode::kTimeout);
  EXPECT_TRUE(stalled.outcome.retryable);
  EXPECT_EQ(stalled.handle->text_, tokens(1, 5));
  config_.first_token_timeout = std::chrono::milliseconds(150);
  EXPECT_EQ(ask("silent").outcome.code, ErrorCode::kTimeout);
  config_.first_token_timeout = config_.gap_timeout = std::chrono::seconds(20);
  const Answered broken = ask("error-midstream");
  EXPECT_EQ(broken.outcome.message, "The model server broke off: The model ran out of memory.");
}

TEST_F(GenerateStage, EndsWithoutTheDoneMark) { EXPECT_EQ(ask("no-done").handle->text_, tokens(1, 40)); }

TEST_F(GenerateStage, CancelClosesTheUpstreamConnectionAtOnce) {
  const auto stage = make_generate_stage(config_, 8);
  const auto handle = std::make_shared<FakeHandle>("");
  stage->start(job("c", "slow-20tps-cancel", ""), handle);
  handle->first_.get_future().get();
  const auto cancelled_at = std::chrono::duration_cast<std::chrono::milliseconds>(
                                std::chrono::system_clock::now().time_since_epoch())
                                .count();
  handle->cancelled_ = true;
  stage->cancel("c");
  handle->outcome_.get_future().get();
  http::Client client;
  for (int i = 0; i < 200; ++i) {
    http::Request request;
    request.url = server_->base_url().substr(0, server_->base_url().size() - 3) + "/requests";
    const auto response = client.fetch(std::move(request));
    ASSERT_TRUE(response);
    const std::size_t mine = response->body.find("slow-20tps-cancel");
    ASSERT_NE(mine, std::string::npos);
    const std::size_t at = response->body.find("\"closed_at\":", mine) + 12;
    if (response->body.compare(at, 4, "null") == 0) continue;
    EXPECT_LT(std::stoll(response->body.substr(at)) - cancelled_at, 50);
    return;
  }
  FAIL() << "the connection stayed open";
}

TEST_F(GenerateStage, DoesNotAskTheModelWithoutPassages) {
  const auto stage = make_generate_stage(config_, 8);
  const Answered r = run(*stage, job("n", "error-500", "", false));
  EXPECT_EQ(r.meta.mode, "nothing_found");
  EXPECT_EQ(r.handle->text_, "Nothing about this was found in the 3 pages searched.");
}

TEST_F(GenerateStage, StreamsHundredsAtOnce) {
  config_.first_token_timeout = config_.gap_timeout = std::chrono::seconds(60);
  const auto stage = make_generate_stage(config_, 256);
  std::vector<std::shared_ptr<FakeHandle>> handles;
  for (int i = 0; i < 100; ++i) {
    handles.push_back(std::make_shared<FakeHandle>(""));
    stage->start(job(std::to_string(i), "numbers", ""), handles.back());
  }
  for (const auto& handle : handles) {
    const auto outcome = handle->outcome_.get_future().get();
    ASSERT_TRUE(outcome.ends_stream) << outcome.message;
    EXPECT_EQ(handle->text_, tokens(1, 40));
  }
}

}  // namespace
}  // namespace answermill::generate
