#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <iterator>

#include "frontend/command/client/ask.h"
#include "frontend/command/client/format.h"
#include "frontend/command/exit_codes.h"
#include "shared/config/settings_file.h"
#include "shared/text/utf8.h"

namespace answermill::command {
namespace {

constexpr std::size_t kLongestQuestion = 8'000;  // characters

int usage_error(const std::string& message) {
  fmt::print(stderr, "answermill ask: {}\n", message);
  return kExitUsage;
}

std::string joined(const std::vector<std::string>& words) {
  if (words.size() == 1 && words.front() == "-") {
    return std::string((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
  }
  return fmt::format("{}", fmt::join(words, " "));
}

std::string source_line(const Json& passage) {
  const std::string label = one_line(text_of(passage, "label"));
  const std::string page = std::to_string(integer_of(passage, "page"));
  const std::string heading = one_line(text_of(passage, "heading"));
  return fmt::format("  [{}] {}, page {}{}{}\n", integer_of(passage, "number"),
                     one_line(text_of(passage, "name")), page,
                     label.empty() || label == page ? "" : " (" + label + ")",
                     heading.empty() ? "" : ": " + shortened(heading, 80));
}

}  // namespace

Status check_question(const std::string& question) {
  if (config::trimmed(question).empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "the question is empty; write it in quotes: answermill ask \"Who …?\""};
  }
  const std::size_t characters = text::count_code_points(question);
  if (characters > kLongestQuestion) {
    return Error{
        ErrorCode::kInvalidArgument,
        fmt::format("the question has {} characters; at most {} are allowed", characters, kLongestQuestion)};
  }
  return {};
}

std::string format_sources(const Json& passages, const std::vector<std::int64_t>& cited) {
  std::string lines;
  for (const Json& passage : passages) {
    const bool named = std::find(cited.begin(), cited.end(), integer_of(passage, "number")) != cited.end();
    if (named || cited.empty()) lines += source_line(passage);
  }
  return lines;
}

int ask_main(int argc, const char* const* argv) {
  AskOptions options;
  config::Table table("answermill ask",
                      "ask a question and read the answer as it is written, with its sources");
  bind_client_options(table, options.client);
  table
      .text("collection", &options.collection, {"ANSWERMILL_COLLECTION"}, "NAME",
            "documents to ask; default: default")
      .text("conversation", &options.conversation, {}, "ID", "go on with an earlier conversation")
      .usage(
          "[flags] \"QUESTION\"",
          std::string(
              "With - as the question it is read from the standard input. Ctrl-C cancels the answer on the "
              "server.\n") +
              kExitCodesHelp);
  const Result<config::Table::Loaded> loaded = table.load(argc, argv);
  if (!loaded) return usage_error(loaded.error().message);
  if (loaded->exit_now) return kExitOk;
  options.question = text::repair_utf8(joined(loaded->positional));
  if (const Status complete = complete_client_options(options.client); !complete) {
    return usage_error(complete.error().message);
  }
  if (const Status good = check_question(options.question); !good) return usage_error(good.error().message);
  EventLoop loop;
  Api api(options.client);
  return AskSession(api, loop, options).run();
}

}  // namespace answermill::command
