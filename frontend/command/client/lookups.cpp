#include "frontend/command/client/lookups.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>

#include "frontend/command/client/api.h"
#include "frontend/command/client/format.h"
#include "frontend/command/exit_codes.h"

namespace answermill::command {
namespace {

using std::chrono::milliseconds;

void write_out(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int usage_error(std::string_view program, const std::string& message) {
  fmt::print(stderr, "{}: {}\n", program, message);
  return kExitUsage;
}

int failed(std::string_view program, const Error& error) {
  std::fflush(stdout);
  fmt::print(stderr, "{}: {}\n", program, error.message);
  return exit_code_of(error.code);
}

using Body = std::function<int(Api& api, const std::vector<std::string>& words)>;

// What all of these share: flags, --help, the server's address; then `body`.
int run(config::Table& table, std::string_view program, ClientOptions& options, int argc,
        const char* const* argv, const Body& body) {
  const Result<config::Table::Loaded> loaded = table.load(argc, argv);
  if (!loaded) return usage_error(program, loaded.error().message);
  if (loaded->exit_now) return kExitOk;
  if (const Status complete = complete_client_options(options); !complete) {
    return usage_error(program, complete.error().message);
  }
  Api api(options);
  return body(api, loaded->positional);
}

std::string count_of(const Json& object, const char* name) {
  return format_count(static_cast<std::uint64_t>(std::max<std::int64_t>(0, integer_of(object, name))));
}

std::string local_time(double unix_seconds) {
  if (unix_seconds <= 0) return "-";
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(static_cast<std::time_t>(unix_seconds)));
}

std::string pages_of(const Json& document) {
  const Json& pages = member(document, "pages");
  const std::int64_t total = integer_of(pages, "total");
  if (total == 0) return "-";
  const std::int64_t searchable = integer_of(pages, "searchable");
  return searchable == total ? format_count(static_cast<std::uint64_t>(total))
                             : fmt::format("{}/{}", searchable, total);
}

std::string state_of(const Json& document) {
  const std::string code = text_of(member(document, "error"), "code");
  const std::string state = text_of(document, "state");
  return code.empty() ? state : state + " (" + code + ")";
}

int print_status(const Json& status) {
  const Json& documents = member(status, "documents");
  const std::string model = one_line(text_of(status, "model"));
  fmt::print("Answermill {}: {}\n", one_line(text_of(status, "version")),
             is_true(status, "ready") ? "ready" : "not ready");
  fmt::print("Answers:   {}\n", text_of(status, "mode") == "model"
                                    ? "model " + model
                                    : "quoting the documents (no model is connected)");
  fmt::print("Embedder:  {}\n", one_line(text_of(status, "embedder", "-")));
  fmt::print("Up for:    {}\n",
             format_duration(milliseconds(static_cast<std::int64_t>(number_of(status, "uptime") * 1000))));
  fmt::print("Documents: {} ready, {} processing, {} queued, {} failed\n", count_of(documents, "ready"),
             count_of(documents, "processing"), count_of(documents, "queued"), count_of(documents, "failed"));
  fmt::print("Streams:   {} open\n\n", count_of(status, "open_streams"));
  std::vector<std::vector<std::string>> rows = {
      {"STAGE", "WORKERS", "SLOTS", "BUSY", "QUEUED", "DONE", "FAILED", "QUARANTINED"}};
  for (const Json& stage : member(status, "stages")) {
    rows.push_back({one_line(text_of(stage, "stage")), count_of(stage, "workers"), count_of(stage, "slots"),
                    count_of(stage, "busy"), count_of(stage, "queued"), count_of(stage, "done"),
                    count_of(stage, "failed"), count_of(stage, "quarantined")});
  }
  write_out(format_table(rows));
  return kExitOk;
}

int print_hits(const Json& answer) {
  for (const Json& hit : member(answer, "hits")) {
    const std::string heading = one_line(text_of(hit, "heading"));
    fmt::print("[{}] {}, page {} ({})  {:.2f}{}\n", integer_of(hit, "number"), one_line(text_of(hit, "name")),
               integer_of(hit, "page"), one_line(text_of(hit, "label")), number_of(hit, "score"),
               heading.empty() ? "" : "  " + shortened(heading, 60));
    fmt::print("    {}\n", shortened(one_line(text_of(hit, "text")), 240));
  }
  return kExitOk;
}

int print_documents(const Json& answer, bool json) {
  std::vector<std::vector<std::string>> rows = {{"ID", "STATE", "PAGES", "SIZE", "COLLECTION", "NAME"}};
  for (const Json& document : member(answer, "documents")) {
    if (json) {
      write_out(to_line(document) + "\n");
      continue;
    }
    rows.push_back({text_of(document, "id"), state_of(document), pages_of(document),
                    format_bytes(static_cast<std::uint64_t>(integer_of(document, "size"))),
                    one_line(text_of(document, "collection")), one_line(text_of(document, "name"))});
  }
  if (!json && rows.size() > 1) write_out(format_table(rows));
  if (!json && rows.size() == 1) fmt::print("No documents yet: try `answermill ingest FILE`.\n");
  return kExitOk;
}

int print_document(const Json& document, bool json) {
  if (json) {
    write_out(to_line(document) + "\n");
    return kExitOk;
  }
  const Json& pages = member(document, "pages");
  fmt::print("{}\n", one_line(text_of(document, "name")));
  fmt::print("  id          {}\n  collection  {}\n  state       {}\n", text_of(document, "id"),
             one_line(text_of(document, "collection")), state_of(document));
  fmt::print("  type        {}, {}\n", one_line(text_of(document, "type", "-")),
             format_bytes(static_cast<std::uint64_t>(integer_of(document, "size"))));
  fmt::print("  pages       {} ({} read, {} embedded, {} searchable, {} failed)\n", count_of(pages, "total"),
             count_of(pages, "extracted"), count_of(pages, "embedded"), count_of(pages, "searchable"),
             count_of(pages, "failed"));
  fmt::print("  passages    {}\n  added       {}\n  finished    {}\n", count_of(document, "chunks"),
             local_time(number_of(document, "created_at")), local_time(number_of(document, "finished_at")));
  const std::string problem = text_of(member(document, "error"), "message");
  if (!problem.empty()) fmt::print("  error       {}\n", one_line(problem));
  for (const Json& warning : member(document, "warnings")) {
    std::vector<std::string> pages_lost;
    for (const Json& page : member(warning, "pages")) pages_lost.push_back(to_line(page));
    fmt::print("  warning     page {}: {}\n", fmt::join(pages_lost, ", "),
               one_line(text_of(warning, "message")));
  }
  return kExitOk;
}

int each_document(Api& api, const std::vector<std::string>& words, std::string_view method,
                  std::string_view suffix,
                  const std::function<void(const std::string& id, const Json& answer)>& done) {
  int exit_code = kExitOk;
  for (std::size_t at = 1; at < words.size(); ++at) {
    const std::string path = fmt::format("/api/documents/{}{}", http::url_encode(words[at]), suffix);
    const Result<Json> answer = api.call(method, path);
    if (answer) {
      done(words[at], *answer);
    } else {
      exit_code =
          failed("answermill documents", {answer.error().code, words[at] + ": " + answer.error().message});
    }
  }
  return exit_code;
}

int documents_body(Api& api, const std::vector<std::string>& words, const std::string& collection) {
  const bool json = api.options().json;
  const std::string verb = words.empty() ? "list" : words.front();
  const bool needs_id = verb == "show" || verb == "delete" || verb == "retry";
  if ((!needs_id && verb != "list") || (needs_id && words.size() < 2) ||
      (verb == "list" && words.size() > 1)) {
    return usage_error("answermill documents", "write list, show ID, delete ID… or retry ID…");
  }
  if (verb == "list") {
    const Result<Json> answer = api.call("GET", "/api/documents" + collection_query('?', collection));
    if (!answer) return failed("answermill documents", api.explain_collection(answer.error(), collection));
    return print_documents(*answer, json);
  }
  if (verb == "show") {
    return each_document(api, words, "GET", "", [json](const std::string&, const Json& document) {
      (void)print_document(document, json);
    });
  }
  const bool deletes = verb == "delete";
  return each_document(api, words, deletes ? "DELETE" : "POST", deletes ? "" : "/retry",
                       [json, deletes](const std::string& id, const Json& answer) {
                         if (json) {
                           write_out(to_line(answer) + "\n");
                         } else {
                           fmt::print("{} {}\n", deletes ? "deleted" : "tried again:", id);
                         }
                       });
}

int collections_body(Api& api, const std::vector<std::string>& words) {
  const std::string verb = words.empty() ? "list" : words.front();
  const bool changes = verb == "create" || verb == "delete";
  if ((!changes && verb != "list") || words.size() != (changes ? 2U : words.empty() ? 0U : 1U)) {
    return usage_error("answermill collections", "write list, create NAME or delete NAME");
  }
  if (changes) {
    const Result<Json> answer = verb == "create"
                                    ? api.call("POST", "/api/collections", {{"name", words[1]}})
                                    : api.call("DELETE", "/api/collections/" + http::url_encode(words[1]));
    if (!answer) return failed("answermill collections", api.explain_collection(answer.error(), words[1]));
    write_out(api.options().json ? to_line(*answer) + "\n" : fmt::format("{}d {}\n", verb, words[1]));
    return kExitOk;
  }
  const Result<Json> answer = api.call("GET", "/api/collections");
  if (!answer) return failed("answermill collections", answer.error());
  std::vector<std::vector<std::string>> rows = {{"NAME", "DOCUMENTS", "PAGES"}};
  for (const Json& one : member(*answer, "collections")) {
    if (api.options().json) write_out(to_line(one) + "\n");
    rows.push_back({one_line(text_of(one, "name")), count_of(one, "documents"), count_of(one, "pages")});
  }
  if (!api.options().json) write_out(format_table(rows));
  return kExitOk;
}

}  // namespace

int status_main(int argc, const char* const* argv) {
  ClientOptions options;
  config::Table table("answermill status", "show what the fleet is doing");
  bind_client_options(table, options);
  table.usage("[flags]", kExitCodesHelp);
  return run(table, "answermill status", options, argc, argv,
             [](Api& api, const std::vector<std::string>& words) {
               if (!words.empty()) return usage_error("answermill status", "takes no arguments");
               const Result<Json> status = api.call("GET", "/api/status");
               if (!status) return failed("answermill status", status.error());
               if (!api.options().json) return print_status(*status);
               write_out(to_line(*status) + "\n");
               return kExitOk;
             });
}

int search_main(int argc, const char* const* argv) {
  ClientOptions options;
  std::string collection;
  std::int64_t most = 8;
  double threshold = -1;
  config::Table table("answermill search", "find passages without asking a question");
  bind_client_options(table, options);
  table
      .text("collection", &collection, {"ANSWERMILL_COLLECTION"}, "NAME",
            "documents to search; default: default")
      .integer("k", &most, 1, 100, {}, "N", "at most this many passages, 1…100")
      .number("threshold", &threshold, -1, 1, {}, "D",
              "no passages farther than this, 0…1; -1: the server's own")
      .usage("[flags] QUERY", kExitCodesHelp);
  const auto body = [&](Api& api, const std::vector<std::string>& words) {
    const std::string query = fmt::format("{}", fmt::join(words, " "));
    if (one_line(query).empty()) return usage_error("answermill search", "the query is empty");
    std::string path = fmt::format("/api/search?q={}&k={}{}", http::url_encode(query), most,
                                   collection_query('&', collection));
    if (threshold >= 0) path += fmt::format("&threshold={}", threshold);
    const Result<Json> answer = api.call("GET", path);
    if (!answer) return failed("answermill search", api.explain_collection(answer.error(), collection));
    const Json& hits = member(*answer, "hits");
    if (api.options().json) {
      for (const Json& hit : hits) write_out(to_line(hit) + "\n");
    } else {
      print_hits(*answer);
    }
    if (!hits.empty()) return kExitOk;
    const bool empty = integer_of(member(*answer, "coverage"), "total_pages") == 0;
    fmt::print(stderr, "{}\n",
               empty ? "Nothing has been ingested yet: try `answermill ingest FILE`." : "Nothing found.");
    return kExitNothingFound;
  };
  return run(table, "answermill search", options, argc, argv, body);
}

int documents_main(int argc, const char* const* argv) {
  ClientOptions options;
  std::string collection;
  config::Table table("answermill documents", "list, show, delete or retry documents");
  bind_client_options(table, options);
  table.text("collection", &collection, {}, "NAME", "list only this collection's")
      .usage("[flags] [list | show ID… | delete ID… | retry ID…]", kExitCodesHelp);
  return run(table, "answermill documents", options, argc, argv,
             [&collection](Api& api, const std::vector<std::string>& words) {
               return documents_body(api, words, collection);
             });
}

int collections_main(int argc, const char* const* argv) {
  ClientOptions options;
  config::Table table("answermill collections", "list, create or delete collections");
  bind_client_options(table, options);
  table.usage("[flags] [list | create NAME | delete NAME]", kExitCodesHelp);
  return run(table, "answermill collections", options, argc, argv, collections_body);
}

}  // namespace answermill::command
