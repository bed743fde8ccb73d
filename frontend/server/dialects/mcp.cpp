#include "frontend/server/dialects/mcp.h"

#include <algorithm>
#include <array>

#include "frontend/server/dialects/json_objects.h"
#include "frontend/server/dialects/json_read.h"
#include "frontend/server/dialects/openai.h"
#include "frontend/server/dialects/sse.h"
#include "shared/messages/codec.h"

namespace answermill::frontend::mcp {
namespace {

// The newest first: what a client is offered that speaks none of them.
constexpr std::array<std::string_view, 3> kProtocols{"2025-11-25", "2025-06-18", "2025-03-26"};
constexpr std::size_t kMaxBatch = 32;

// JSON-RPC 2.0, section 5.1.
constexpr int kParseError = -32700;
constexpr int kInvalidRequest = -32600;
constexpr int kMethodNotFound = -32601;
constexpr int kInvalidParams = -32602;

Json id_json(std::string_view id) { return id.empty() ? Json(nullptr) : Json::parse(id); }

std::string refusal(std::string_view id, int code, std::string_view message) {
  return dump(
      Json{{"jsonrpc", "2.0"}, {"id", id_json(id)}, {"error", {{"code", code}, {"message", message}}}});
}

std::string answer(const Message& call, Json result) {
  return dump(Json{{"jsonrpc", "2.0"}, {"id", id_json(call.id)}, {"result", std::move(result)}});
}

Json tool_result(const std::string& text, Json structured) {
  return {{"content", {{{"type", "text"}, {"text", text}}}}, {"structuredContent", std::move(structured)}};
}

Json text_field(std::string_view description) { return {{"type", "string"}, {"description", description}}; }

Json tool(std::string_view name, std::string_view title, std::string_view description, Json properties,
          Json required) {
  return {{"name", name},
          {"title", title},
          {"description", description},
          {"inputSchema",
           {{"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(required)}}},
          {"annotations", {{"readOnlyHint", true}, {"openWorldHint", false}}}};
}

std::string passages_text(const messages::SourcesEvent& sources) {
  std::string text;
  for (const auto& passage : sources.passages) {
    text += "[" + std::to_string(passage.number) + "] " + passage.document_name + ", page " +
            std::to_string(passage.page) + "." + std::to_string(passage.ordinal) + " (document " +
            passage.document + ")\n" + passage.text + "\n\n";
  }
  return text.empty() ? "Nothing was found." : text;
}

void refuse(Message& message, int code, std::string_view why) {
  message.method = Method::kRefused;
  message.refusal = refusal(message.id, code, why);
}

void read_call(Message& message, JsonObject params) {
  const std::string name = params.text("name");
  JsonObject arguments = params.object("arguments");
  message.collection = arguments.text("collection");
  if (name == "search") {
    message.method = Method::kSearch;
    message.text = arguments.text("query");
    message.k = arguments.number("k").value_or(0);
  } else if (name == "ask") {
    message.method = Method::kAsk;
    message.text = arguments.text("question");
    message.conversation = arguments.text("conversation");
  } else if (name == "list_documents") {
    message.method = Method::kListDocuments;
  } else if (name == "read_document") {
    message.method = Method::kReadDocument;
    message.document = arguments.text("document");
    message.page = arguments.number("page").value_or(1);
  } else {
    return refuse(message, kInvalidParams, "There is no tool of this name.");
  }
  const auto wrong = arguments.wrong_type() ? arguments.wrong_type() : params.wrong_type();
  if (wrong) refuse(message, kInvalidParams, wrong->message);
}

Message read_message(const nlohmann::json& value) {
  Message message;
  if (!value.is_object()) {
    refuse(message, kInvalidRequest, "A message is an object.");
    return message;
  }
  JsonObject object(value);
  if (const auto* id = object.find("id"); id != nullptr && (id->is_string() || id->is_number_integer())) {
    message.id = id->dump();
  }
  const std::string method = object.text("method");
  if (message.id.empty()) return message;  // a notification
  if (method.empty()) {
    // An answer to something that was never asked needs none itself.
    if (!object.has("result") && !object.has("error"))
      refuse(message, kInvalidRequest, "A request has a method.");
    return message;
  }
  JsonObject params = object.object("params");
  if (const auto meta = params.object("_meta"); const auto* token = meta.find("progressToken")) {
    if (token->is_string() || token->is_number_integer()) message.progress_token = token->dump();
  }
  if (method == "initialize") {
    message.method = Method::kInitialize;
    message.protocol = params.text("protocolVersion");
  } else if (method == "ping") {
    message.method = Method::kPing;
  } else if (method == "tools/list") {
    message.method = Method::kListTools;
  } else if (method == "tools/call") {
    read_call(message, std::move(params));
  } else {
    refuse(message, kMethodNotFound, "There is no method " + method + " here.");
  }
  return message;
}

class AskWire final : public AnswerWire {
 public:
  explicit AskWire(Message call) : call_(std::move(call)) {}

  std::string_view content_type() const override { return sse::kType; }
  std::string_view keep_alive() const override { return sse::kKeepAlive; }
  std::string started(const AnswerView&, double) override { return progress("Preparing the search"); }
  std::string event(const AnswerView& answer, const messages::StreamEvent& event, double) override {
    if (event.kind == messages::StreamEventKind::kStatus) {
      const auto status = messages::decode<messages::StatusEvent>(event.data);
      return status ? progress(status->message) : std::string();
    }
    return event.kind == messages::StreamEventKind::kTerminal ? message(answered(call_, answer))
                                                              : std::string();
  }
  std::string refused(const AnswerView&, const Error& error, double) override {
    return message(failed(call_, error));
  }

 private:
  static std::string message(const std::string& json) { return "event: message\ndata: " + json + "\n\n"; }
  std::string progress(std::string_view what) {
    return message(dump(Json{
        {"jsonrpc", "2.0"},
        {"method", "notifications/progress"},
        {"params",
         {{"progressToken", id_json(call_.progress_token)}, {"progress", ++progress_}, {"message", what}}}}));
  }

  Message call_;
  int progress_ = 0;
};

}  // namespace

Result<Post> parse(std::string_view body) {
  auto value = parse_json(body);
  if (!value) return value.error();
  Post post;
  post.batch = value->is_array();
  if (!post.batch) {
    post.messages.push_back(read_message(*value));
    return post;
  }
  if (value->empty() || value->size() > kMaxBatch) return Error{ErrorCode::kMalformed, "1 to 32 messages."};
  for (const auto& message : *value) post.messages.push_back(read_message(message));
  return post;
}

bool speaks(std::string_view protocol) {
  return std::find(kProtocols.begin(), kProtocols.end(), protocol) != kProtocols.end();
}

std::string malformed() { return refusal({}, kParseError, "This is not JSON in UTF-8."); }

std::string initialized(const Message& call, std::string_view version) {
  return answer(call,
                {{"protocolVersion", speaks(call.protocol) ? call.protocol : std::string(kProtocols.front())},
                 {"capabilities", {{"tools", {{"listChanged", false}}}}},
                 {"serverInfo", {{"name", "answermill"}, {"title", "Answermill"}, {"version", version}}},
                 {"instructions",
                  "Searches and answers from the documents of this server. Answers cite passages as [n]; "
                  "read_document gives the page a passage is from."}});
}

std::string pong(const Message& call) { return answer(call, Json::object()); }

std::string tools(const Message& call) {
  const Json collection = text_field("Which collection to look in; the default one when absent.");
  const Json whole{{"type", "integer"}, {"minimum", 1}};
  Json all = Json::array();
  all.push_back(tool(
      "search", "Search the documents", "Finds the passages that fit a query, with document, page and score.",
      {{"query", text_field("What to look for.")}, {"collection", collection}, {"k", whole}}, {"query"}));
  all.push_back(tool("ask", "Ask the documents",
                     "Answers a question from the documents, citing the passages it is made from.",
                     {{"question", text_field("The question.")},
                      {"collection", collection},
                      {"conversation", text_field("Of an earlier answer, to go on with it.")}},
                     {"question"}));
  all.push_back(tool("list_documents", "List the documents", "Names every document with its state and pages.",
                     {{"collection", text_field("Only of this collection; all when absent.")}},
                     Json::array()));
  all.push_back(tool("read_document", "Read a page", "The text of one page of a document.",
                     {{"document", text_field("The document's id.")}, {"page", whole}}, {"document"}));
  return answer(call, {{"tools", std::move(all)}});
}

std::string found(const Message& call, std::string_view collection, const messages::SourcesEvent& sources) {
  return answer(call, tool_result(passages_text(sources), {{"collection", collection},
                                                           {"hits", passages_json(sources.passages)},
                                                           {"coverage", coverage_json(sources.coverage)}}));
}

std::string answered(const Message& call, const AnswerView& view) {
  if (const auto bad = openai::bad_end(view)) return failed(call, *bad);
  Json structured = {{"answer", view.text}, {"stream", view.stream}, {"conversation", view.conversation}};
  add_answer_fields(structured, view);
  structured.erase("text");
  structured["sha256"] = view.sha256;
  std::string text = view.text;
  if (view.sources && !view.sources->passages.empty()) text += "\n\nSources\n" + passages_text(*view.sources);
  return answer(call, tool_result(text, std::move(structured)));
}

std::string documents(const Message& call, const std::vector<DocumentView>& documents) {
  std::string text;
  Json all = Json::array();
  for (const auto& document : documents) {
    text += document.row.name + " (document " + document.row.id + ", collection " + document.row.collection +
            ", " + std::to_string(document.row.pages.total) + " pages, " +
            std::string(to_string(document.row.state)) + ")\n";
    all.push_back(document_json(document));
  }
  return answer(
      call, tool_result(text.empty() ? "There are no documents." : text, {{"documents", std::move(all)}}));
}

std::string page(const Message& call, const messages::PageText& page) {
  return answer(call, tool_result(page.text, {{"document", page.document},
                                              {"name", page.document_name},
                                              {"page", page.page},
                                              {"total_pages", page.total_pages},
                                              {"text", page.text}}));
}

std::string failed(const Message& call, const Error& error) {
  return answer(call, {{"content", {{{"type", "text"}, {"text", error.message}}}},
                       {"structuredContent", {{"error", error_object(error)}}},
                       {"isError", true}});
}

std::string batch(const std::vector<std::string>& answers) {
  std::string out = "[";
  for (const auto& one : answers) {
    if (out.size() > 1) out += ",";
    out += one;
  }
  return out + "]";
}

std::unique_ptr<AnswerWire> answer_wire(Message call) { return std::make_unique<AskWire>(std::move(call)); }

}  // namespace answermill::frontend::mcp
