// What a token lets its holder do, message by message and collection by collection.
#include <gtest/gtest.h>

#include "frontend/server/api/access.h"
#include "frontend/server/api/native_session.h"
#include "frontend/server/api/ws_query_session.h"
#include "frontend/server/api/ws_stream_session.h"
#include "tests/unit/frontend/fakes.h"

namespace answermill::frontend {
namespace {

using access::Scope;

class SessionAccess : public testing::Test {
 protected:
  void let_in(access::ScopeSet scopes, std::vector<std::string> collections = {}) {
    auto grant = std::make_shared<Grant>();
    grant->token = {"ci", scopes, std::move(collections), {}, {}};
    grant_ = grant;
    socket_->upgrade.caller = Caller(grant, account_, book_);
  }
  const Caller& caller() const { return socket_->upgrade.caller; }
  std::unique_ptr<NativeSession> native() {
    auto session = std::make_unique<NativeSession>(
        NativeContext{*world_.services, documents_, questions_, fleet_}, socket_);
    session->on_open();
    socket_->sent.clear();
    return session;
  }
  std::string said(WebSocketSession& session, std::string_view message) {
    socket_->sent.clear();
    session.on_text(message);
    world_.loop.run();
    return socket_->sent.empty() ? std::string() : socket_->sent.back();
  }
  static bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  }
  void add_document(const std::string& id, const std::string& collection) {
    DocumentRow row;
    row.id = id;
    row.name = id;
    row.collection = collection;
    row.state = DocumentState::kReady;
    ASSERT_TRUE(world_.catalog->insert_document(row));
  }

  test::World world_;
  DocumentService documents_{*world_.services};
  QuestionService questions_{*world_.services};
  FleetWatch fleet_{*world_.services};
  WsStreamCounters counters_;
  std::shared_ptr<test::FakeSocket> socket_ = std::make_shared<test::FakeSocket>();
  std::shared_ptr<UsageBook> book_ = std::make_shared<UsageBook>();
  std::shared_ptr<Account> account_ = std::make_shared<Account>();
  std::shared_ptr<Grant> grant_;
};

constexpr char kAsk[] = R"({"type":"ask","id":"a","question":"Why?"})";

TEST_F(SessionAccess, TheWelcomeSaysWhatTheTokenMayDo) {
  const auto welcome = [this] {
    NativeSession session({*world_.services, documents_, questions_, fleet_}, socket_);
    session.on_open();
    return socket_->sent.at(socket_->sent.size() - 2);  // before the fleet's state
  };
  EXPECT_TRUE(
      has(welcome(), R"("access":{"token":null,"scopes":["read","ask","write","admin"],"collections":[]})"));
  let_in({Scope::kRead, Scope::kAsk}, {"law"});
  EXPECT_TRUE(has(welcome(), R"("access":{"token":"ci","scopes":["read","ask"],"collections":["law"]})"));
  let_in({Scope::kAdmin});
  EXPECT_TRUE(has(welcome(), R"("scopes":["read","ask","write","admin"])"));
}

TEST_F(SessionAccess, AReaderCannotAskOrUpload) {
  let_in({Scope::kRead});
  const auto session = native();
  EXPECT_TRUE(has(said(*session, R"({"type":"watch"})"), R"("type":"documents")"));
  EXPECT_TRUE(has(said(*session, kAsk), R"("code":"forbidden")"));
  EXPECT_TRUE(has(said(*session, kAsk), R"("scope":"ask")"));
  EXPECT_TRUE(has(said(*session, R"({"type":"upload_begin","id":"u","name":"a.txt","size":1})"),
                  R"("scope":"write")"));
  EXPECT_TRUE(has(said(*session, R"({"type":"ping"})"), "pong"));
  EXPECT_TRUE(world_.hub.asked.empty());
}

TEST_F(SessionAccess, AnAskerCannotLookAtDocuments) {
  let_in({Scope::kAsk});
  const auto session = native();
  EXPECT_TRUE(has(said(*session, kAsk), R"("type":"started")"));
  EXPECT_TRUE(has(said(*session, R"({"type":"watch"})"), R"("scope":"read")"));
  EXPECT_TRUE(has(said(*session, R"({"type":"search","id":"s","query":"x"})"), R"("scope":"read")"));
}

TEST_F(SessionAccess, QuestionsAreCountedOnEveryWire) {
  let_in({Scope::kAsk, Scope::kRead});
  book_->limits.questions_per_minute = 1;
  const auto session = native();
  EXPECT_TRUE(has(said(*session, kAsk), R"("type":"started")"));
  const std::string refused = said(*session, kAsk);
  EXPECT_TRUE(has(refused, R"("code":"rate_limited")"));
  EXPECT_TRUE(has(refused, R"("retry_after":60.0)"));
  EXPECT_TRUE(has(refused, R"("id":"a")"));
  WsQuerySession query(*world_.services, questions_, socket_);
  EXPECT_TRUE(has(said(query, R"({"question":"Why?"})"), R"("code":"rate_limited")"));
  EXPECT_FALSE(has(said(query, R"({"question":"Why?","humanize":false})"), "rate_limited"));
  WsStreamSession stream(WsStreamContext{*world_.services, questions_, fleet_, counters_}, socket_,
                         ws_stream::Identity{"u", std::nullopt});
  stream.on_open();
  const std::string chat = said(stream, R"({"type":"chat_request","query":"Why?"})");
  EXPECT_TRUE(has(chat, R"("error_code":"RATE_LIMIT_EXCEEDED")"));
  EXPECT_TRUE(has(chat, R"("retry_after":60.0)"));
  world_.loop.advance(std::chrono::minutes(1));
  EXPECT_TRUE(has(said(stream, R"({"type":"chat_request","query":"Why?"})"), "chat_started"));
}

TEST_F(SessionAccess, OpenAnswersAreCountedAndGivenBack) {
  let_in({Scope::kAsk});
  book_->limits.open_answers = 1;
  auto session = native();
  EXPECT_TRUE(has(said(*session, kAsk), R"("type":"started")"));
  EXPECT_TRUE(has(said(*session, kAsk), "answers are open"));
  WsQuerySession query(*world_.services, questions_, socket_);
  EXPECT_TRUE(has(said(query, R"({"question":"Why?"})"), "answers are open"));
  const std::string stream = world_.hub.asked.back().stream->id;
  session->on_text(R"({"type":"leave","stream":")" + stream + R"("})");
  EXPECT_EQ(account_->open_answers, 0U);
  EXPECT_TRUE(has(said(*session, kAsk), R"("type":"started")"));
  session->on_close(1000);
  EXPECT_EQ(account_->open_answers, 0U);
}

TEST_F(SessionAccess, ATokenReachesItsCollectionsOnly) {
  ASSERT_TRUE(world_.catalog->create_collection("law", 1));
  add_document("a", "law");
  add_document("b", "default");
  let_in({Scope::kRead, Scope::kAsk, Scope::kWrite}, {"law"});
  const auto session = native();
  const std::string list = said(*session, R"({"type":"watch"})");
  EXPECT_TRUE(has(list, R"("id":"a")"));
  EXPECT_FALSE(has(list, R"("id":"b")"));
  EXPECT_TRUE(has(said(*session, R"({"type":"watch","collection":"default"})"), "forbidden"));
  said(*session, kAsk);
  ASSERT_EQ(world_.hub.asked.size(), 1U);
  EXPECT_TRUE(has(said(*session, R"({"type":"ask","id":"b","question":"Why?","collection":"default"})"),
                  "forbidden"));
  EXPECT_TRUE(
      has(said(*session, R"({"type":"search","id":"s","query":"x","collection":"default"})"), "forbidden"));
  EXPECT_TRUE(
      has(said(*session, R"({"type":"upload_begin","id":"u","name":"a","size":1,"collection":"tax"})"),
          "forbidden"));
  EXPECT_TRUE(has(said(*session, R"({"type":"upload_begin","id":"u","name":"a","size":1})"), "upload_ready"));
  EXPECT_FALSE(WsStreamSession::reaches(caller(), {"u", "default"}));
  EXPECT_FALSE(WsStreamSession::reaches(caller(), {"u", "any course"}));
  EXPECT_TRUE(WsStreamSession::reaches(caller(), {"u", "law"}));
  EXPECT_TRUE(WsStreamSession::reaches(caller(), {"u", std::nullopt}));
}

TEST_F(SessionAccess, ARemovedDocumentElsewhereIsNotNamed) {
  documents_.start();
  ASSERT_TRUE(world_.catalog->create_collection("law", 1));
  add_document("a", "law");
  add_document("b", "default");
  let_in({Scope::kRead}, {"law"});
  const auto session = native();
  said(*session, R"({"type":"watch"})");
  documents_.remove("b", [](const Result<bool>&) {});
  world_.loop.run();
  const auto deletion = world_.bus.submitted.back();
  ASSERT_EQ(deletion.job.op, "delete");
  ASSERT_TRUE(world_.catalog->finish_delete("b"));
  socket_->sent.clear();
  messages::GroupProgress progress;
  progress.group = deletion.group->id;
  progress.subject = "b";
  progress.state = messages::GroupState::kDone;
  world_.bus.progress(progress);
  world_.loop.run();
  ASSERT_FALSE(socket_->sent.empty());
  EXPECT_TRUE(has(socket_->sent.back(), R"("type":"documents")"));
  for (const auto& text : socket_->sent) EXPECT_FALSE(has(text, R"("b")")) << text;
}

TEST_F(SessionAccess, AConversationElsewhereIsOutOfReach) {
  ASSERT_TRUE(world_.catalog->create_collection("law", 1));
  NewQuestion before;
  before.question = "Q";
  before.stream = new_stream_id("aaaaaaaaaaaaaaaa");
  const auto started = world_.catalog->begin_question(before, {});
  ASSERT_TRUE(started);
  let_in({Scope::kAsk}, {"law"});
  Question question;
  question.question = "And?";
  question.conversation = started->conversation;
  question.caller = caller();
  ErrorCode code = ErrorCode::kOk;
  questions_.ask(
      question, [&](const Result<AnswerView>& view) { code = view ? ErrorCode::kOk : view.error().code; },
      [](const Error&) {});
  world_.loop.run();
  EXPECT_EQ(code, ErrorCode::kForbidden);
}

TEST_F(SessionAccess, DocumentsElsewhereDoNotExist) {
  add_document("a", "law");
  add_document("b", "default");
  let_in({Scope::kRead, Scope::kWrite}, {"law"});
  const auto code_of = [&](const std::string& id) {
    ErrorCode code = ErrorCode::kOk;
    get_document(documents_, caller(), id, [&](const Result<DocumentView>& found) {
      code = found ? ErrorCode::kOk : found.error().code;
    });
    world_.loop.run();
    return code;
  };
  EXPECT_EQ(code_of("a"), ErrorCode::kOk);
  EXPECT_EQ(code_of("b"), ErrorCode::kNotFound);
  bool asked = false;
  remove_document(documents_, caller(), "b", [&](const Result<bool>& removed) {
    asked = true;
    EXPECT_FALSE(removed);
  });
  retry_document(documents_, caller(), "b", [&](const Result<DocumentView>& view) { EXPECT_FALSE(view); });
  world_.loop.run();
  EXPECT_TRUE(asked);
  EXPECT_TRUE(world_.bus.submitted.empty());
}

TEST_F(SessionAccess, AnUploadThatTricklesIsEnded) {
  let_in({Scope::kWrite});
  world_.services->facts.upload_bytes_per_second = 10;
  const auto session = native();
  EXPECT_TRUE(
      has(said(*session, R"({"type":"upload_begin","id":"u","name":"a.txt","size":900})"), "upload_ready"));
  session->on_binary(std::string("\0\0\0\1", 4) + std::string(400, 'x'));
  world_.loop.advance(std::chrono::seconds(31));
  EXPECT_FALSE(has(socket_->sent.back(), "too slow"));
  session->on_binary(std::string("\0\0\0\1", 4) + std::string(200, 'x'));
  world_.loop.advance(std::chrono::seconds(31));
  EXPECT_TRUE(has(socket_->sent.back(), "too slow"));
  EXPECT_TRUE(has(socket_->sent.back(), R"("code":"timeout")"));
}

}  // namespace
}  // namespace answermill::frontend
