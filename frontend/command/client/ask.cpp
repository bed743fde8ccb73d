#include "frontend/command/client/ask.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "frontend/command/client/format.h"
#include "frontend/command/exit_codes.h"
#include "shared/base/ids.h"
#include "shared/base/sha256.h"

namespace answermill::command {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstRetry{100};
constexpr milliseconds kLongestRetry{2'000};
constexpr std::chrono::seconds kGiveUpAfter{60};
constexpr std::chrono::seconds kSilenceLimit{45};  // the server comments every 15 s
constexpr std::chrono::seconds kCancelLimit{3};

bool on_terminal_screen() { return ::isatty(STDOUT_FILENO) == 1; }

void write_out(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

AskSession::AskSession(Api& api, EventLoop& loop, AskOptions options)
    : api_(api),
      loop_(loop),
      options_(std::move(options)),
      request_id_(random_id()),
      retry_delay_(kFirstRetry) {}

int AskSession::run() {
  ask();
  loop_.run([this] { on_interrupt(); });
  ++attempt_;
  api_.client().cancel(handle_);
  return exit_code_;
}

void AskSession::ask() {
  http::Request request = api_.request("POST", "/api/ask");
  Json body = {{"question", options_.question}, {"request_id", request_id_}};
  if (!options_.collection.empty()) body["collection"] = options_.collection;
  if (!options_.conversation.empty()) body["conversation"] = options_.conversation;
  request.headers.emplace_back("Content-Type", "application/json");
  request.body = to_line(body);
  start(std::move(request));
}

void AskSession::resume() {
  http::Request request = api_.request("GET", "/api/streams/" + http::url_encode(stream_));
  request.headers.emplace_back("Last-Event-ID", std::to_string(last_seq_));
  start(std::move(request));
}

void AskSession::start(http::Request request) {
  const int attempt = ++attempt_;
  status_ = 0;
  error_body_.clear();
  parser_ = http::SseParser();
  broken_ = false;
  request.headers.emplace_back("Accept", "text/event-stream");
  request.timeouts.idle = kSilenceLimit;
  Mailbox& mailbox = loop_.mailbox();
  http::Callbacks callbacks;
  callbacks.on_headers = [this, attempt, &mailbox](int status, const http::Headers& headers) {
    mailbox.post([this, attempt, status, stream = std::string(http::find_header(headers, "X-Stream-Id"))] {
      on_headers(attempt, status, stream);
    });
  };
  callbacks.on_data = [this, attempt, &mailbox](std::string_view bytes) {
    mailbox.post([this, attempt, copy = std::string(bytes)] { on_data(attempt, copy); });
  };
  callbacks.on_done = [this, attempt, &mailbox](Result<int> status) {
    mailbox.post([this, attempt, status] { on_done(attempt, status); });
  };
  handle_ = api_.client().start(std::move(request), std::move(callbacks));
}

void AskSession::on_headers(int attempt, int status, const std::string& stream) {
  if (attempt != attempt_) return;
  status_ = status;
  if (stream_.empty()) stream_ = stream;
}

void AskSession::on_data(int attempt, const std::string& bytes) {
  if (attempt != attempt_ || broken_ || ended_) return;
  if (status_ != 200) {
    if (error_body_.size() < 65'536) error_body_ += bytes;
    return;
  }
  broken_since_.reset();
  retry_delay_ = kFirstRetry;
  const Status fed = parser_.feed(bytes, [this](const http::SseEvent& event) {
    if (!broken_ && !ended_) on_event(event);
  });
  if (!options_.client.json) print_fresh();
  if (!fed || broken_) {
    broken_ = true;
    api_.client().cancel(handle_);  // on_done() then tries again
  }
}

void AskSession::on_done(int attempt, const Result<int>& status) {
  if (attempt != attempt_ || ended_) return;
  const bool worth_trying = stream_.empty() ? attempt > 1 || status_ != 0 : true;
  if (status && *status >= 400 && *status != 503) {
    fail(api_.error_from(*status, error_body_));
  } else if (interrupted_ && stream_.empty()) {
    finish(kExitInterrupted);
  } else if (status && *status == 503 && stream_.empty()) {
    fail(api_.error_from(*status, error_body_));
  } else if (!status && !worth_trying) {
    fail(api_.error_from(status.error()));
  } else {
    try_again();
  }
}

void AskSession::try_again() {
  const auto now = std::chrono::steady_clock::now();
  if (!broken_since_) broken_since_ = now;
  if (now - *broken_since_ > kGiveUpAfter) {
    fail({ErrorCode::kUnavailable,
          fmt::format("the connection to {} broke and did not come back; the answer goes on "
                      "as stream {}",
                      options_.client.server, stream_)});
    return;
  }
  api_.client().after(retry_delay_, [this, &mailbox = loop_.mailbox(), attempt = attempt_] {
    mailbox.post([this, attempt] {
      if (attempt != attempt_ || ended_) return;
      stream_.empty() ? ask() : resume();
    });
  });
  retry_delay_ = std::min(retry_delay_ * 2, kLongestRetry);
}

void AskSession::on_event(const http::SseEvent& event) {
  const Json data = Json::parse(event.data, nullptr, false);
  if (!data.is_object()) return;
  std::uint64_t seq = last_seq_;
  std::from_chars(event.id.data(), event.id.data() + event.id.size(), seq);
  if (event.event == "token" && text_.append(static_cast<std::uint64_t>(integer_of(data, "offset")),
                                             text_of(data, "text")) == AnswerText::Applied::kGap) {
    last_seq_ = 0;  // ask for everything again; what is known is skipped
    broken_ = true;
    return;
  }
  if (options_.client.json) {
    Json line = {{"event", event.event}, {"seq", seq}};
    line.update(data);
    write_out(to_line(line) + "\n");
  }
  if (event.event == "started") {
    stream_ = text_of(data, "stream", stream_);
    conversation_ = text_of(data, "conversation", conversation_);
  } else if (event.event == "sources") {
    passages_ = member(data, "passages");
    coverage_ = member(data, "coverage");
  } else if (event.event == "citation") {
    const std::int64_t number = integer_of(data, "number");
    if (std::find(cited_.begin(), cited_.end(), number) == cited_.end()) cited_.push_back(number);
  } else if (event.event == "rewind") {
    text_.rewind(static_cast<std::uint64_t>(integer_of(data, "offset")));
    if (text_.text().empty()) cited_.clear();
  } else if (event.event == "done" || event.event == "cancelled" || event.event == "failed" ||
             event.event == "expired") {
    on_terminal(event.event, data);
  }
  last_seq_ = std::max(last_seq_, seq);
}

void AskSession::print_fresh() {
  const AnswerText::Fresh fresh = text_.take_fresh();
  if (fresh.restarted) {
    std::fflush(stdout);
    fmt::print(stderr, "\n[the answer was started again]\n");
    write_out("\n");
  }
  if (fresh.text.empty()) return;
  write_out(on_terminal_screen() ? printable(fresh.text) : fresh.text);
}

void AskSession::check_whole(const Json& data) {
  const std::string expected = text_of(data, "sha256");
  if (expected.empty() || expected == sha256_hex(text_.text())) return;
  const Result<Json> whole = api_.call("GET", "/api/streams/" + http::url_encode(stream_));
  if (!whole) return;
  text_ = AnswerText();
  (void)text_.append(0, text_of(*whole, "text"));
  fmt::print(stderr, "\n[parts of the answer were lost on the way; here is the whole]\n");
  print_fresh();
}

void AskSession::on_terminal(const std::string& kind, const Json& data) {
  ended_ = true;
  if (!options_.client.json) {
    print_fresh();
    check_whole(data);
    print_end(kind, data);
  }
  const std::string mode = text_of(member(data, "meta"), "mode");
  if (interrupted_) {
    finish(kExitInterrupted);
  } else if (kind != "done") {
    finish(kExitFailed);
  } else {
    finish(mode == "nothing_found" ? kExitNothingFound : kExitOk);
  }
}

void AskSession::print_end(const std::string& kind, const Json& data) {
  if (!text_.text().empty() && text_.text().back() != '\n') write_out("\n");
  const Json& meta = member(data, "meta");
  const bool nothing = text_of(meta, "mode") == "nothing_found";
  if (kind == "done" && !nothing && !passages_.empty()) {
    std::string heading = "\nSources";
    const std::int64_t seen = integer_of(coverage_, "pages");
    const std::int64_t all = integer_of(coverage_, "total_pages");
    if (seen < all) {
      heading +=
          fmt::format(" (the answer saw {} of {} pages)", format_count(static_cast<std::uint64_t>(seen)),
                      format_count(static_cast<std::uint64_t>(all)));
    }
    write_out(heading + "\n" + format_sources(passages_, cited_));
  }
  if (kind != "done") {
    const std::string why = text_of(member(data, "error"), "message");
    fmt::print(stderr, "answermill ask: the answer was {}{}\n", kind == "failed" ? "broken off" : kind,
               why.empty() ? "" : ": " + one_line(why));
  } else if (nothing && integer_of(coverage_, "total_pages") == 0) {
    fmt::print(stderr, "Nothing has been ingested {}yet: try `answermill ingest FILE`.\n",
               options_.collection.empty() ? "" : "into this collection ");
  } else if (::isatty(STDERR_FILENO) == 1) {
    fmt::print(stderr, "\033[2m{} · {} · go on with --conversation {}\033[0m\n",
               text_of(meta, "mode", "answered"), format_duration(milliseconds(integer_of(meta, "total_ms"))),
               conversation_);
  }
}

void AskSession::on_interrupt() {
  if (interrupted_ || ended_) {
    finish(kExitInterrupted);
    return;
  }
  interrupted_ = true;
  if (stream_.empty()) {
    finish(kExitInterrupted);
    return;
  }
  http::Request cancel = api_.request("POST", "/api/streams/" + http::url_encode(stream_) + "/cancel");
  api_.client().start(std::move(cancel), {});
  api_.client().after(kCancelLimit, [this, &mailbox = loop_.mailbox()] {
    mailbox.post([this] { finish(kExitInterrupted); });
  });
}

void AskSession::fail(const Error& error) {
  const Error explained = api_.explain_collection(error, options_.collection);
  std::fflush(stdout);
  fmt::print(stderr, "answermill ask: {}\n", explained.message);
  finish(interrupted_ ? kExitInterrupted : exit_code_of(explained.code));
}

void AskSession::finish(int exit_code) {
  if (loop_.stopped()) return;
  ended_ = true;
  exit_code_ = exit_code;
  loop_.stop();
}

}  // namespace answermill::command
