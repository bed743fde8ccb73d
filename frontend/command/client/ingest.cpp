#include "frontend/command/client/ingest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "frontend/command/client/format.h"
#include "frontend/command/exit_codes.h"
#include "shared/text/utf8.h"

namespace answermill::command {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kUploadsAtOnce = 4;
constexpr std::size_t kUnderWayAtOnce = 64;  // uploaded and not finished yet: each holds one connection
constexpr int kUploadAttempts = 5;
constexpr milliseconds kFirstRetry{100};
constexpr milliseconds kLongestRetry{2'000};
constexpr std::chrono::seconds kGiveUpAfter{60};
constexpr std::chrono::seconds kSilenceLimit{45};
constexpr milliseconds kRedraw{100};

struct OpenFile {
  UniqueFd fd;
  std::uint64_t size = 0;
};

Result<OpenFile> open_file(const std::string& path) {
  OpenFile file{UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), 0};
  struct stat info {};
  if (!file.fd || ::fstat(file.fd.get(), &info) != 0)
    return Error{ErrorCode::kInvalidArgument, std::strerror(errno)};
  if (S_ISDIR(info.st_mode)) return Error{ErrorCode::kInvalidArgument, "is a folder; give its files"};
  if (!S_ISREG(info.st_mode)) return Error{ErrorCode::kInvalidArgument, "is not a regular file"};
  file.size = static_cast<std::uint64_t>(info.st_size);
  return file;
}

}  // namespace

IngestSession::IngestSession(Api& api, EventLoop& loop, IngestScreen screen, IngestOptions options)
    : api_(api), loop_(loop), screen_(std::move(screen)), options_(std::move(options)) {
  for (const std::string& path : options_.files) {
    FileProgress file;
    file.path = path;
    file.name = text::repair_utf8(std::filesystem::path(path).filename().string());
    files_.push_back(std::move(file));
  }
  links_.resize(files_.size());
}

// Ingesting into a collection that is not there yet makes it.
Status IngestSession::make_collection() {
  if (options_.collection.empty() || options_.collection == "default") return {};
  const Result<Json> made = api_.call("POST", "/api/collections", {{"name", options_.collection}});
  if (made || made.error().code == ErrorCode::kConflict) return {};
  return made.error();
}

int IngestSession::run() {
  if (const Status collection = make_collection(); !collection) {
    fmt::print(stderr, "answermill ingest: {}\n", collection.error().message);
    return exit_code_of(collection.error().code);
  }
  pump();
  loop_.run([this] { on_interrupt(); });
  screen_.clear();
  if (interrupted_) {
    fmt::print(stderr, "Interrupted. What was sent goes on being read: see `answermill documents`.\n");
    return kExitInterrupted;
  }
  if (any_unreachable_ && !any_reached_) return kExitUnreachable;
  return any_failed_ ? kExitFailed : kExitOk;
}

void IngestSession::pump() {
  while (next_ < files_.size() && uploading_ < kUploadsAtOnce && under_way_ < kUnderWayAtOnce) {
    const std::size_t index = next_++;
    ++under_way_;
    ++uploading_;
    upload(index);
  }
  if (finished_ == files_.size()) loop_.stop();
}

void IngestSession::start(std::size_t index, http::Request request) {
  Link& link = links_[index];
  const int attempt = ++link.attempt;
  link.status = 0;
  link.body.clear();
  link.parser = http::SseParser();
  Mailbox& mailbox = loop_.mailbox();
  http::Callbacks callbacks;
  callbacks.on_headers = [this, index, attempt, &mailbox](int status, const http::Headers&) {
    mailbox.post([this, index, attempt, status] {
      if (links_[index].attempt == attempt) links_[index].status = status;
    });
  };
  callbacks.on_data = [this, index, attempt, &mailbox](std::string_view bytes) {
    mailbox.post([this, index, attempt, copy = std::string(bytes)] { on_data(index, attempt, copy); });
  };
  callbacks.on_done = [this, index, attempt, &mailbox](Result<int> status) {
    mailbox.post([this, index, attempt, status] { on_done(index, attempt, status); });
  };
  api_.client().start(std::move(request), std::move(callbacks));
}

void IngestSession::upload(std::size_t index) {
  FileProgress& file = files_[index];
  Result<OpenFile> opened = open_file(file.path);
  if (!opened) {
    fail(index, opened.error());
    return;
  }
  file.state = FileState::kUploading;
  file.size = opened->size;
  file.sent = 0;
  ++links_[index].uploads;
  screen_.changed(index, file);
  std::string path =
      "/api/documents?name=" + http::url_encode(file.name) + collection_query('&', options_.collection);
  http::Request request = api_.request("POST", path);
  request.headers.emplace_back("Content-Type", "application/octet-stream");
  request.body_file = std::move(opened->fd);
  request.body_file_size = opened->size;
  request.on_upload = [this, index, &mailbox = loop_.mailbox()](std::uint64_t sent) {
    mailbox.post([this, index, sent] {
      files_[index].sent = sent;
      draw_soon();
    });
  };
  start(index, std::move(request));
  draw_soon();
}

void IngestSession::follow(std::size_t index) {
  const std::string id = text_of(files_[index].document, "id");
  http::Request request = api_.request("GET", "/api/documents/" + http::url_encode(id) + "/events");
  request.headers.emplace_back("Accept", "text/event-stream");
  request.timeouts.idle = kSilenceLimit;
  start(index, std::move(request));
}

void IngestSession::on_data(std::size_t index, int attempt, const std::string& bytes) {
  Link& link = links_[index];
  if (link.attempt != attempt) return;
  if (files_[index].state == FileState::kUploading || link.status != 200) {
    if (link.body.size() < 1'048'576) link.body += bytes;
    return;
  }
  link.broken_since.reset();
  link.retry_delay = kFirstRetry;
  (void)link.parser.feed(bytes, [&](const http::SseEvent& event) {
    if (links_[index].attempt != attempt || event.event != "document") return;
    const Json document = Json::parse(event.data, nullptr, false);
    if (document.is_object()) take_document(index, document);
  });
}

void IngestSession::on_done(std::size_t index, int attempt, const Result<int>& status) {
  if (links_[index].attempt != attempt) return;
  any_reached_ = any_reached_ || status.has_value();
  if (files_[index].state == FileState::kUploading) {
    on_upload_done(index, status);
  } else {
    on_follow_done(index, status);
  }
}

void IngestSession::on_upload_done(std::size_t index, const Result<int>& status) {
  Link& link = links_[index];
  const bool refused = status && *status >= 400;
  const bool passing = status && (*status == 503 || *status == 429);
  if (!status || passing) {
    // A server that was never there is not waited for; one that went away in the middle may come back.
    const bool never_there = !status && status.error().code == ErrorCode::kUnavailable && !any_reached_;
    if (!never_there && link.uploads < kUploadAttempts && retry_later(index)) return;
    fail(index, status ? api_.error_from(*status, link.body) : api_.error_from(status.error()));
    return;
  }
  if (refused) {
    fail(index, api_.explain_collection(api_.error_from(*status, link.body), options_.collection));
    return;
  }
  const Json answer = Json::parse(link.body, nullptr, false);
  const Json& documents = member(answer, "documents");
  if (!documents.is_array() || documents.empty()) {
    fail(index, {ErrorCode::kMalformed, "the server's answer names no document"});
    return;
  }
  --uploading_;
  files_[index].state = FileState::kProcessing;
  link.broken_since.reset();
  link.retry_delay = kFirstRetry;
  take_document(index, documents.front());
  if (files_[index].state == FileState::kProcessing) follow(index);
  pump();
}

void IngestSession::on_follow_done(std::size_t index, const Result<int>& status) {
  if (status && *status >= 400 && *status != 503 && *status != 429) {
    fail(index, api_.error_from(*status, links_[index].body));
    return;
  }
  if (!retry_later(index)) {
    fail(index, {ErrorCode::kUnavailable,
                 "the connection broke and did not come back; the server goes on by itself"});
  }
}

bool IngestSession::retry_later(std::size_t index) {
  Link& link = links_[index];
  const auto now = std::chrono::steady_clock::now();
  if (!link.broken_since) link.broken_since = now;
  if (now - *link.broken_since > kGiveUpAfter) return false;
  link.retry_delay = std::clamp(link.retry_delay * 2, kFirstRetry, kLongestRetry);
  api_.client().after(link.retry_delay, [this, index, attempt = link.attempt, &mailbox = loop_.mailbox()] {
    mailbox.post([this, index, attempt] {
      if (links_[index].attempt != attempt || interrupted_) return;
      files_[index].state == FileState::kUploading ? upload(index) : follow(index);
    });
  });
  return true;
}

void IngestSession::take_document(std::size_t index, const Json& document) {
  FileProgress& file = files_[index];
  file.document = document;
  const std::string state = text_of(document, "state");
  if (state == "ready") {
    file.state = FileState::kReady;
    finish(index);
  } else if (state == "failed") {
    const Json& error = member(document, "error");
    file.problem =
        fmt::format("{} ({})", text_of(error, "message", "it could not be read"), text_of(error, "code"));
    file.state = FileState::kFailed;
    finish(index);
  } else {
    screen_.changed(index, file);
    draw_soon();
  }
}

void IngestSession::fail(std::size_t index, const Error& error) {
  FileProgress& file = files_[index];
  any_unreachable_ = any_unreachable_ || error.code == ErrorCode::kUnavailable;
  if (file.state == FileState::kUploading || file.state == FileState::kWaiting) --uploading_;
  file.problem = error.message;
  file.state = FileState::kFailed;
  finish(index);
}

void IngestSession::finish(std::size_t index) {
  ++links_[index].attempt;
  --under_way_;
  ++finished_;
  any_failed_ = any_failed_ || files_[index].state == FileState::kFailed;
  screen_.finished(files_[index]);
  draw_soon();
  // Later, so that a row of files that cannot be opened does not recurse.
  loop_.mailbox().post([this] { pump(); });
}

void IngestSession::draw_soon() {
  if (draw_planned_) return;
  draw_planned_ = true;
  api_.client().after(kRedraw, [this, &mailbox = loop_.mailbox()] {
    mailbox.post([this] {
      draw_planned_ = false;
      if (!loop_.stopped()) screen_.draw(files_);
    });
  });
}

void IngestSession::on_interrupt() {
  interrupted_ = true;
  loop_.stop();
}

int ingest_main(int argc, const char* const* argv) {
  IngestOptions options;
  config::Table table("answermill ingest", "add documents and wait until each is searchable or failed");
  bind_client_options(table, options.client);
  table
      .text("collection", &options.collection, {"ANSWERMILL_COLLECTION"}, "NAME",
            "where to put them; made when it is not there; default: default")
      .usage("[flags] FILE…",
             std::string("Exit code 0: all are searchable; 1: some failed.\n") + kExitCodesHelp);
  const Result<config::Table::Loaded> loaded = table.load(argc, argv);
  Status usable = loaded ? Status{} : Status{loaded.error()};
  if (usable && loaded->exit_now) return kExitOk;
  if (usable) usable = complete_client_options(options.client);
  if (usable && loaded->positional.empty())
    usable = Error{ErrorCode::kInvalidArgument, "name at least one file"};
  if (!usable) {
    fmt::print(stderr, "answermill ingest: {}\n", usable.error().message);
    return kExitUsage;
  }
  options.files = loaded->positional;
  const ScreenKind kind = options.client.json            ? ScreenKind::kJson
                          : ::isatty(STDOUT_FILENO) == 1 ? ScreenKind::kLive
                                                         : ScreenKind::kPlain;
  EventLoop loop;
  Api api(options.client);
  return IngestSession(api, loop, IngestScreen(kind), options).run();
}

}  // namespace answermill::command
