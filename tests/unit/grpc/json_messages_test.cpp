#include "frontend/grpc/json_messages.h"

#include <gtest/gtest.h>

#include <random>

namespace answermill::grpc_bridge {
namespace {

v1::AnswerEvent event_of(std::string_view line) {
  auto event = answer_event(line);
  return event && *event ? **event : v1::AnswerEvent();
}

TEST(GrpcMessages, ReadsTheLinesOfAnAnswer) {
  const auto started = event_of(
      R"({"type":"started","seq":0,"stream":"s","conversation":"c","question":"Q","collection":"d","timestamp":1.5})");
  EXPECT_EQ(started.started().stream(), "s");
  EXPECT_EQ(started.timestamp(), 1.5);
  const auto token = event_of(R"({"type":"token","seq":4,"first_seq":2,"offset":7,"text":"hé"})");
  EXPECT_EQ(token.seq(), 4U);
  EXPECT_EQ(token.first_seq(), 2U);
  EXPECT_EQ(token.token().offset(), 7U);
  EXPECT_EQ(token.token().text(), "hé");
  const auto sources = event_of(
      R"({"type":"sources","seq":2,"passages":[{"number":1,"page":61,"label":"61.3","score":0.75,"new":[1]}],)"
      R"("coverage":{"pages":3,"total_pages":16},"candidates":5})");
  EXPECT_EQ(sources.sources().passages(0).label(), "61.3");
  EXPECT_EQ(sources.sources().coverage().total_pages(), 16U);
  const auto end = event_of(
      R"({"type":"failed","seq":9,"length":2,"sha256":"abc","meta":null,"error":{"code":"upstream","message":"M"}})");
  EXPECT_EQ(end.end().status(), "failed");
  EXPECT_EQ(end.end().error().code(), "upstream");
}

TEST(GrpcMessages, SkipsWhatItDoesNotKnowAndRefusesNonsense) {
  EXPECT_FALSE(answer_event("").value().has_value());
  EXPECT_FALSE(answer_event(R"({"type":"later","seq":3})").value().has_value());
  EXPECT_FALSE(answer_event("nonsense"));
  EXPECT_FALSE(answer_event("[]"));
  EXPECT_FALSE(first_document(R"({"documents":[]})"));
  EXPECT_EQ(
      first_document(R"({"documents":[{"id":"d","eta_ms":null,"pages":{"total":4}}]})")->pages().total(), 4U);
}

TEST(GrpcMessages, SurvivesWhateverComes) {
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  const std::string valid = R"({"type":"token","seq":4,"first_seq":2,"offset":7,"text":"words"})";
  for (int round = 0; round < 2000; ++round) {
    std::string text = valid;
    for (int changes = 1 + int(random() % 3); changes > 0; --changes)
      text[random() % text.size()] = char(random());
    const auto event = answer_event(text);
    ASSERT_TRUE(event || event.error().code == ErrorCode::kMalformed) << "seed " << seed;
  }
}

TEST(GrpcMessages, TellsErrorsApart) {
  EXPECT_EQ(error_of(404, R"({"error":{"code":"not_found","message":"No.","retryable":false}})").code,
            ErrorCode::kNotFound);
  EXPECT_EQ(error_of(503, "").code, ErrorCode::kUnavailable);
  EXPECT_EQ(error_of(400, "<html>").code, ErrorCode::kInvalidArgument);
}

TEST(GrpcMessages, WritesQuestions) {
  v1::AskRequest request;
  request.set_question("Q \"x\"");
  request.add_documents("d");
  EXPECT_EQ(ask_body(request), R"({"documents":["d"],"question":"Q \"x\""})");
}

}  // namespace
}  // namespace answermill::grpc_bridge
