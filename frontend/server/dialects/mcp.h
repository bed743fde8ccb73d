// The Model Context Protocol over Streamable HTTP, without sessions: four tools. Pure.
// Source: https://modelcontextprotocol.io/specification/2025-11-25 and …/2025-06-18, …/2025-03-26.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/server/dialects/answer_wire.h"
#include "shared/base/result.h"

namespace answermill::frontend::mcp {

enum class Method {
  kNotification,  // nothing to answer
  kInitialize,
  kPing,
  kListTools,
  kSearch,
  kAsk,
  kListDocuments,
  kReadDocument,
  kRefused,  // `refusal` is the answer
};

// One JSON-RPC message; fields that a method does not have stay empty.
struct Message {
  Method method = Method::kNotification;
  std::string id;              // as JSON
  std::string progress_token;  // as JSON; empty when no progress is wanted
  std::string protocol;        // initialize: what the client speaks
  std::string text;            // the query or the question
  std::string collection;
  std::string conversation;
  std::string document;
  std::uint64_t k = 0;
  std::uint64_t page = 1;
  std::string refusal;
};

struct Post {
  std::vector<Message> messages;
  bool batch = false;  // they came, and their answers go, as an array
};
// Errors: kMalformed.
Result<Post> parse(std::string_view body);

bool speaks(std::string_view protocol);

// Answers: whole JSON-RPC messages.
std::string malformed();
std::string initialized(const Message& call, std::string_view version);
std::string pong(const Message& call);
std::string tools(const Message& call);
std::string found(const Message& call, std::string_view collection, const messages::SourcesEvent& sources);
std::string answered(const Message& call, const AnswerView& answer);
std::string documents(const Message& call, const std::vector<DocumentView>& documents);
std::string page(const Message& call, const messages::PageText& page);
std::string failed(const Message& call, const Error& error);  // of a tool
std::string batch(const std::vector<std::string>& answers);

// The tool `ask`, with its progress on the way.
std::unique_ptr<AnswerWire> answer_wire(Message call);

}  // namespace answermill::frontend::mcp
