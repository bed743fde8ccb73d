// Goldens: what clients see, byte for byte.
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "frontend/server/api/reply.h"
#include "frontend/server/dialects/http_json.h"
#include "frontend/server/dialects/native.h"
#include "frontend/server/dialects/openai.h"
#include "frontend/server/dialects/sse.h"
#include "frontend/server/dialects/sse_chat.h"
#include "frontend/server/dialects/ws_query.h"
#include "frontend/server/dialects/ws_stream.h"
#include "shared/messages/codec.h"

namespace answermill::frontend {
namespace {

using messages::StreamEventKind;

messages::SourcesEvent sources() {
  messages::Passage passage;
  passage.number = 1;
  passage.document = "doc";
  passage.document_name = "a.pdf";
  passage.collection = "default";
  passage.page = 61;
  passage.ordinal = 3;
  passage.begin = 1;
  passage.end = 9;
  passage.heading = "H";
  passage.type = "paragraph";
  passage.text = "Text";
  passage.score = 0.75;
  passage.distance = 0.25;
  return {{passage}, {3, 16, 1, 9}, 5};
}

messages::TerminalEvent done() {
  messages::AnswerMeta meta;
  meta.mode = "quoting";
  meta.model = "builtin";
  meta.input_tokens = 2;
  meta.output_tokens = 3;
  messages::TerminalEvent terminal;
  terminal.length = 2;
  terminal.sha256 = "abc";
  terminal.meta = messages::encode(meta);
  return terminal;
}

TEST(Native, EncodesStreamEvents) {
  EXPECT_EQ(native::stream_event("s", {2, 4, StreamEventKind::kToken, 7, "hé"}),
            R"({"type":"token","stream":"s","seq":4,"first_seq":2,"offset":7,"text":"hé"})");
  EXPECT_EQ(native::stream_event("s", {1, 1, StreamEventKind::kStatus, 0,
                                       messages::encode(messages::StatusEvent{"embed", "m"})}),
            R"({"type":"status","stream":"s","seq":1,"first_seq":1,"stage":"embed","message":"m"})");
  EXPECT_EQ(native::stream_event("s", {5, 5, StreamEventKind::kRewind, 3, {}}),
            R"({"type":"rewind","stream":"s","seq":5,"first_seq":5,"offset":3})");
  EXPECT_EQ(
      native::stream_event("s", {2, 2, StreamEventKind::kSources, 0, messages::encode(sources())}),
      R"({"type":"sources","stream":"s","seq":2,"first_seq":2,"passages":[{"number":1,"document":"doc",)"
      R"("name":"a.pdf","collection":"default","page":61,"label":"61.3","begin":1,"end":9,"heading":"H",)"
      R"("type":"paragraph","text":"Text","score":0.75,"distance":0.25,"material_id":""}],)"
      R"("coverage":{"pages":3,"total_pages":16},"candidates":5})");
  EXPECT_EQ(native::stream_event("s", {9, 9, StreamEventKind::kResult, 0, "x"}), "");
}

TEST(Sse, EncodesStreamEvents) {
  const messages::CitationEvent citation{1, 80, 83, "doc", 61, 120, 180, true};
  EXPECT_EQ(
      sse::stream_event({6, 6, StreamEventKind::kCitation, 0, messages::encode(citation)}),
      "id: 6\nevent: citation\ndata: {\"number\":1,\"text_begin\":80,\"text_end\":83,\"document\":\"doc\","
      "\"page\":61,\"begin\":120,\"end\":180,\"exact\":true}\n\n");
  EXPECT_EQ(
      sse::stream_event({7, 7, StreamEventKind::kTerminal, 0, messages::encode(done())}),
      "id: 7\nevent: done\ndata: {\"length\":2,\"sha256\":\"abc\",\"meta\":{\"mode\":\"quoting\",\"model\":"
      "\"builtin\",\"input_tokens\":2,\"output_tokens\":3,\"tokens_measured\":false,\"cost_usd\":0.0,"
      "\"first_token_ms\":0.0,\"total_ms\":0.0,\"finish_reason\":\"\"},\"error\":null}\n\n");
  AnswerView view;
  view.stream = "s";
  view.conversation = "c";
  view.question = "line\nbreak";
  view.collection = "default";
  EXPECT_EQ(
      sse::started(view),
      "id: 0\nevent: started\ndata: {\"stream\":\"s\",\"conversation\":\"c\",\"question\":\"line\\nbreak\","
      "\"collection\":\"default\"}\n\n");
}

TEST(Native, EncodesDocuments) {
  DocumentView view;
  view.row.id = "d";
  view.row.name = "a.pdf";
  view.row.collection = "default";
  view.row.type = "application/pdf";
  view.row.size = 5;
  view.row.pages = {4, 3, 2, 1, 1};
  view.row.warnings = {{{2}, ErrorCode::kCrashed, "It died."}};
  view.row.created_ms = 1'700'000'000'500;
  view.progress = 0.5;
  EXPECT_EQ(
      native::document(view),
      R"({"type":"document","document":{"id":"d","name":"a.pdf","collection":"default","size":5,)"
      R"("type":"application/pdf","material_id":"","state":"queued","generation":1,"error":null,)"
      R"("warnings":[{"pages":[2],"code":"crashed","message":"It died."}],"pages":{"total":4,"extracted":3,)"
      R"("embedded":2,"searchable":1,"failed":1},"chunks":0,"progress":0.5,"eta_ms":null,)"
      R"("created_at":1700000000.5,"finished_at":null}})");
}

TEST(Native, ParsesMessages) {
  const auto ask = native::parse(R"({"type":"ask","id":"1","question":"Q?","documents":["a","b"]})");
  ASSERT_TRUE(ask);
  EXPECT_EQ(ask->kind, native::ClientKind::kAsk);
  EXPECT_EQ(ask->question, "Q?");
  EXPECT_FALSE(ask->collection);
  EXPECT_EQ(ask->documents.size(), 2U);
  EXPECT_EQ(native::parse(R"({"type":"watch","collection":"law"})")->collection, "law");
  EXPECT_EQ(native::parse("[1]").error().code, ErrorCode::kMalformed);
  EXPECT_EQ(native::parse("{\"type\":\"ping\"").error().code, ErrorCode::kMalformed);
  EXPECT_EQ(native::parse("{\"type\":\"\xFF\"}").error().code, ErrorCode::kMalformed);
  EXPECT_EQ(native::parse(R"({"type":"nonsense"})").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(native::parse(R"({"type":"ask","question":5})").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(native::parse(R"({"type":"resume","stream":"s","after_seq":-1})").error().code,
            ErrorCode::kInvalidArgument);
  const std::string deep = "{\"type\":" + std::string(5000, '[') + std::string(5000, ']') + "}";
  EXPECT_EQ(native::parse(deep).error().code, ErrorCode::kMalformed);
}

TEST(HttpJson, EncodesErrors) {
  EXPECT_EQ(encode_error({ErrorCode::kNotFound, "No."}),
            R"({"error":{"code":"not_found","message":"No.","retryable":false}})");
  EXPECT_EQ(http_status(ErrorCode::kTooLarge), 413);
  EXPECT_EQ(http_status(ErrorCode::kDiskFull), 507);
}

TEST(HttpJson, EncodesSmallObjects) {
  EXPECT_EQ(encode_flag("deleted"), R"({"deleted":true})");
  EXPECT_EQ(encode_documents({}), R"({"documents":[]})");
  EXPECT_EQ(encode_document_deleted("d", true), R"({"deleted":true,"id":"d"})");
  EXPECT_EQ(encode_ready({}),
            R"({"ready":false,"stages":{"extract":0,"embed":0,"index":0,"generate":0,"record":0}})");
  AnswerView view;
  view.stream = "s";
  view.text = "hé";
  view.sha256 = "abc";
  view.next_seq = 4;
  EXPECT_EQ(encode_stream(view),
            R"({"stream":"s","status":"streaming","text":"hé","length":3,"sha256":"abc","next_seq":4})");
}

TEST(AnswerView, IsPutTogetherFromEvents) {
  AnswerView view;
  apply_event(view, {1, 1, StreamEventKind::kSources, 0, messages::encode(sources())});
  apply_event(view, {2, 5, StreamEventKind::kToken, 0, "abcdef"});
  apply_event(view, {2, 3, StreamEventKind::kToken, 0, "abc"});  // seen before
  apply_event(view, {6, 6, StreamEventKind::kRewind, 3, {}});
  apply_event(view, {7, 7, StreamEventKind::kToken, 3, "X"});
  apply_event(view, {8, 8, StreamEventKind::kTerminal, 0, messages::encode(done())});
  EXPECT_EQ(view.text, "abcX");
  EXPECT_EQ(view.status, MessageStatus::kDone);
  EXPECT_EQ(view.next_seq, 9U);
  EXPECT_EQ(view.meta->mode, "quoting");
}

TEST(EventsAfter, RewindsToTheBeginningOfARun) {
  messages::StreamState state;
  state.events = {{1, 1, StreamEventKind::kStatus, 0, {}},
                  {2, 6, StreamEventKind::kToken, 0, "abcdef"},
                  {7, 7, StreamEventKind::kTerminal, 0, {}}};
  EXPECT_EQ(events_after(state, 0).size(), 3U);
  EXPECT_EQ(events_after(state, 6).size(), 1U);
  const auto rest = events_after(state, 4);
  ASSERT_EQ(rest.size(), 3U);
  EXPECT_EQ(rest[0], (messages::StreamEvent{4, 4, StreamEventKind::kRewind, 0, {}}));
  EXPECT_EQ(rest[1].data, "abcdef");
}

TEST(EventsAfter, LeavesNoGapWhereAnEarlierBrokerEnded) {
  messages::StreamState state;
  state.events = {{1, 6, StreamEventKind::kToken, 0, "abcdef"},
                  {7, 1048576, StreamEventKind::kRewind, 6, {}},
                  {1048577, 2097152, StreamEventKind::kRewind, 6, {}},
                  {2097153, 2097153, StreamEventKind::kToken, 6, "g"}};
  const auto rest = events_after(state, 6);
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_EQ(rest[0], (messages::StreamEvent{7, 2097153, StreamEventKind::kToken, 6, "g"}));
  EXPECT_EQ(events_after(state, 8).front().kind, StreamEventKind::kRewind) << "it saw words that are gone";
}

TEST(FleetView, IsReadyWithEveryStage) {
  messages::FleetStatus status;
  status.boot = 1;
  for (const char* stage : {"extract", "embed", "index", "generate"})
    status.workers.push_back({"w", stage, "h", 1, 1, 0, {}});
  EXPECT_FALSE(fleet_view(status).ready);
  status.workers.push_back({"w", "record", "h", 1, 1, 0, {}});
  status.workers[3].detail = "model llama3.2";
  EXPECT_TRUE(fleet_view(status).ready);
  EXPECT_EQ(fleet_view(status).model, "llama3.2");
  EXPECT_EQ(fleet_view(status).mode, "model");
  status.boot = 0;
  EXPECT_FALSE(fleet_view(status).ready);
}

TEST(WsStream, ParsesAndRefuses) {
  EXPECT_EQ(ws_stream::parse(R"({"type":"chat_request","query":" Q ","chatroom_id":null})").message->query,
            "Q");
  EXPECT_EQ(ws_stream::parse(R"({"type":"chat_request","query":"  "})").error.code, "EMPTY_QUERY");
  EXPECT_EQ(ws_stream::parse(R"({"type":"chat_request"})").error.code, "EMPTY_QUERY");
  EXPECT_EQ(ws_stream::parse(R"({"type":"shout"})").error.code, "INVALID_MESSAGE_TYPE");
  EXPECT_EQ(ws_stream::parse("not json").error.code, "JSON_PARSE_ERROR");
  std::string query;
  for (int i = 0; i < 1000; ++i) query += "é";
  EXPECT_TRUE(ws_stream::parse(R"({"type":"chat_request","query":")" + query + "\"}").message);
  EXPECT_EQ(ws_stream::parse(R"({"type":"chat_request","query":")" + query + "x\"}").error.code,
            "QUERY_TOO_LONG");
}

TEST(WsStream, EncodesTheConversation) {
  const ws_stream::Identity identity{"u", "c1"};
  EXPECT_EQ(ws_stream::connection(identity, {}, fleet_view({}), 1.5),
            R"({"type":"connection","status":"connected","user_id":"u","course_id":"c1","timestamp":1.5,)"
            R"("message":"WebSocket connected. Ready for streaming chat!","config":{"model_comprehensive":)"
            R"("builtin-quoting","model_personalized":"builtin-quoting","rag_threshold":0.85,"rag_top_k":8,)"
            R"("openai_temperature":0.7,"openai_max_tokens":1000,"streaming":true,"cache_enabled":false,)"
            R"("personalization_enabled":false}})");
  EXPECT_EQ(ws_stream::chat_chunk("hé", 1, 2.0),
            R"({"type":"chat_chunk","chunk":"hé","chunk_index":1,"timestamp":2.0})");
  AnswerView answer;
  answer.stream = "s";
  EXPECT_EQ(
      ws_stream::chat_started(identity, {"Q", std::nullopt, false, 0, 0}, answer, 2.0),
      R"({"type":"chat_started","query":"Q","timestamp":2.0,"metadata":{"course_id":"c1","chatroom_id":null,)"
      R"("use_personalization":false,"service":"answermill","cache_check":"disabled","stream_id":"s"}})");
}

TEST(WsStream, EncodesTheResponseWithNumbersOnly) {
  AnswerView answer;
  answer.stream = "s";
  answer.text = "T";
  answer.sources = sources();
  EXPECT_EQ(
      ws_stream::chat_response({"u", std::nullopt}, {}, {"Q", std::nullopt, false, 2, 12.5}, answer, 3.0),
      R"({"type":"chat_response","response":"T","sources":[{"content":"Text","metadata":{"material_id":"doc",)"
      R"("course_id":"default","filename":"a.pdf","page":"61.3","score":0.75,"vector_distance":0.25,)"
      R"("chunk_type":"paragraph","document_id":"doc"}}],"cached":false,"token_usage":{"input_tokens":0,)"
      R"("output_tokens":0,"total_tokens":0,"model_pricing":{"input_cost_per_1k":0.0,"output_cost_per_1k":0.0,)"
      R"("total_cost":0.0}},"latency_ms":12.5,"timestamp":3.0,"metadata":{"source":"rag","source_type":)"
      R"("knowledge_base","response_type":"rag_response","model_used":"builtin-quoting","personalized":false,)"
      R"("course_id":null,"cost_usd":0.0,"rag_threshold_used":0.85,"documents_retrieved":5,"documents_used":1,)"
      R"("stream_id":"s"},"response_source":"rag","chunks_count":2,"done":true})");
}

TEST(WsStream, TellsItsStatus) {
  ws_stream::Statistics statistics;
  statistics.users = {"u"};
  statistics.connections = 2;
  statistics.responses = 2;
  statistics.response_ms_sum = 30;
  ws_stream::AccessView access;
  access.tokens = 2;
  access.limits = {{"requests_per_minute", 60}};
  access.refused = {{"unauthorized", 1}};
  const std::string status = ws_stream::status(statistics, access, 5.0, 1'700'000'000);
  EXPECT_NE(status.find(R"("connected_users":["u"])"), std::string::npos);
  EXPECT_NE(status.find(R"("server_time":"2023-11-14T22:13:20Z")"), std::string::npos);
  EXPECT_NE(status.find(R"("avg_response_time_ms":15.0)"), std::string::npos);
  EXPECT_NE(status.find(R"("message_types":["chat_request","ping","disconnect"])"), std::string::npos);
  EXPECT_NE(status.find(R"("access":{"tokens":2,"token_required":false,"connections":0,"limits":{)"
                        R"("requests_per_minute":60},"refused":{"unauthorized":1}})"),
            std::string::npos);
}

Denial denial(ErrorCode code, const char* message, const char* scope, int retry_after_ms) {
  Denial out;
  out.error = {code, message};
  if (scope != nullptr) out.scope = scope;
  out.error.retry_after = std::chrono::milliseconds(retry_after_ms);
  return out;
}

TEST(Errors, TellWhenToComeBack) {
  using std::chrono::milliseconds;
  const auto told = [](ErrorCode code, milliseconds wait) {
    const Headers headers = retry_headers({code, "Later.", wait});
    return headers.empty() ? std::string() : headers.front().second;
  };
  EXPECT_EQ(told(ErrorCode::kBusy, milliseconds(2100)), "3");
  EXPECT_EQ(told(ErrorCode::kBusy, {}), "2") << "not known";
  EXPECT_EQ(told(ErrorCode::kNotFound, milliseconds(2100)), "");
  EXPECT_EQ(encode_error({ErrorCode::kBusy, "Later.", milliseconds(2100)}),
            R"({"error":{"code":"busy","message":"Later.","retryable":true,"retry_after":2.1}})");
}

TEST(Denials, AreToldInEveryShape) {
  const Denial limited = denial(ErrorCode::kRateLimited, "Wait.", nullptr, 1500);
  const Denial forbidden = denial(ErrorCode::kForbidden, "No.", "write", 0);
  EXPECT_EQ(encode_denial(limited),
            R"({"error":{"code":"rate_limited","message":"Wait.","retryable":true,"retry_after":1.5}})");
  EXPECT_EQ(encode_denial(forbidden),
            R"({"error":{"code":"forbidden","message":"No.","retryable":false,"scope":"write"}})");
  EXPECT_EQ(native::denied("a", {}, limited),
            R"({"type":"error","id":"a","code":"rate_limited","message":"Wait.","retryable":true,)"
            R"("retry_after":1.5})");
  EXPECT_EQ(
      ws_stream::error(ws_stream::denied(limited), 2.0),
      R"({"type":"error","error":"Wait.","error_code":"RATE_LIMIT_EXCEEDED","timestamp":2.0,)"
      R"("recoverable":false,"suggestion":"Send it again after retry_after seconds.","retry_after":1.5})");
  EXPECT_EQ(ws_query::denied(limited, 2.0),
            R"({"type":"error","error":"Wait.","code":"rate_limited","retryable":true,"stream_id":null,)"
            R"("retry_after":1.5,"timestamp":2.0})");
  EXPECT_EQ(chat::denied(limited),
            "event: error\ndata: "
            R"({"type":"error","error":"Wait.","code":"rate_limited","retryable":true,"stream_id":null,)"
            R"("retry_after":1.5})"
            "\n\n");
  EXPECT_EQ(openai::denied(limited), R"({"error":{"message":"Wait.","type":"rate_limit_error","param":null,)"
                                     R"("code":"rate_limit_exceeded","retry_after":1.5}})");
}

}  // namespace
}  // namespace answermill::frontend
