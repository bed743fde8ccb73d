#include "frontend/grpc/service.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "frontend/grpc/json_messages.h"
#include "shared/base/sha256.h"

namespace answermill::grpc_bridge {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 30s;  // for a frontend that is being restarted
constexpr auto kPause = 100ms;

grpc::Status status_of(const Error& error) {
  grpc::StatusCode code = grpc::StatusCode::INTERNAL;
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kMalformed:
    case ErrorCode::kUnsupported:
    case ErrorCode::kEmptyFile:
      code = grpc::StatusCode::INVALID_ARGUMENT;
      break;
    case ErrorCode::kNotFound:
      code = grpc::StatusCode::NOT_FOUND;
      break;
    case ErrorCode::kConflict:
      code = grpc::StatusCode::ALREADY_EXISTS;
      break;
    case ErrorCode::kUnauthorized:
      code = grpc::StatusCode::UNAUTHENTICATED;
      break;
    case ErrorCode::kForbidden:
      code = grpc::StatusCode::PERMISSION_DENIED;
      break;
    case ErrorCode::kTooLarge:
    case ErrorCode::kRateLimited:
    case ErrorCode::kDiskFull:
      code = grpc::StatusCode::RESOURCE_EXHAUSTED;
      break;
    case ErrorCode::kTimeout:
      code = grpc::StatusCode::DEADLINE_EXCEEDED;
      break;
    case ErrorCode::kCancelled:
      code = grpc::StatusCode::CANCELLED;
      break;
    case ErrorCode::kUnavailable:
    case ErrorCode::kBusy:
    case ErrorCode::kUpstream:
      code = grpc::StatusCode::UNAVAILABLE;
      break;
    default:
      break;
  }
  return {code, error.message};
}

grpc::Status status_of(const Status& status) { return status ? grpc::Status::OK : status_of(status.error()); }

grpc::Status not_let_in() {
  return {grpc::StatusCode::UNAUTHENTICATED, "The access token is missing or wrong."};
}

bool passes_soon(ErrorCode code) {
  return code == ErrorCode::kUnavailable || code == ErrorCode::kUpstream || code == ErrorCode::kTimeout ||
         code == ErrorCode::kBusy;
}

v1::AnswerEvent failure_event(const Error& error) {
  v1::AnswerEvent event;
  event.mutable_end()->set_status("failed");
  event.mutable_end()->set_sha256(sha256_hex({}));
  event.mutable_end()->mutable_error()->set_code(std::string(to_string(error.code)));
  event.mutable_end()->mutable_error()->set_message(error.message);
  return event;
}

// A file without a name: it is gone with its descriptor.
Result<UniqueFd> spool_file() {
  std::error_code failed;
  const auto folder = std::filesystem::temp_directory_path(failed);
  UniqueFd file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (failed || file.get() < 0) return Error{ErrorCode::kDiskFull, "There is no room for the upload."};
  return file;
}

Status write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return Error{ErrorCode::kDiskFull, "There is no room for the upload."};
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

Service::Service(FrontendClient& frontend, const Gate& gate, std::uint64_t upload_limit)
    : frontend_(frontend), gate_(gate), upload_limit_(upload_limit) {}

std::optional<std::string> Service::admit(const grpc::ServerContext& context) const {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find("authorization");
  if (found == metadata.end()) return gate_.admit({});
  return gate_.admit({found->second.data(), found->second.size()});
}

// Asks when there is no stream yet, then reads to the end. A reader that fell behind, or whose frontend died,
// goes on after the last event it has.
Status Service::follow(const grpc::ServerContext& context, const v1::AskRequest* question, Answer& answer,
                       const Write& write) {
  bool reader_left = false;
  Status broken;
  const auto line = [&](std::string_view text) {
    auto event = answer_event(text);
    if (!event) {
      broken = event.error();
      return false;
    }
    if (!*event) return true;
    if ((*event)->has_started()) {
      answer.stream = (*event)->started().stream();
      answer.conversation = (*event)->started().conversation();
    }
    answer.seq = (*event)->seq();
    answer.ended = (*event)->has_end();
    reader_left = !write(**event);
    return !answer.ended && !reader_left;
  };
  const auto cancelled = [&context] { return context.IsCancelled(); };
  auto give_up = std::chrono::steady_clock::now() + kPatience;
  while (true) {
    const std::uint64_t before = answer.seq;
    FrontendClient::Ask ask{"POST", "/api/ask", {}, "application/x-ndjson", answer.authorization};
    if (answer.stream.empty()) {
      ask.body = ask_body(*question);
    } else {
      ask.method = "GET";
      ask.path =
          "/api/streams/" + http::url_encode(answer.stream) + "?after_seq=" + std::to_string(answer.seq);
    }
    const auto read = frontend_.read_lines(std::move(ask), line, cancelled);
    if (!broken) return broken;
    if (answer.ended) return {};
    if (reader_left) return Error{ErrorCode::kCancelled, "The caller has left."};
    Error error{ErrorCode::kUnavailable, "The frontend ended the answer in the middle."};
    if (!read) error = read.error();
    if (read && read->status != 200) error = error_of(read->status, read->refusal);
    const auto now = std::chrono::steady_clock::now();
    if (answer.seq != before) give_up = now + kPatience;
    if (answer.stream.empty() || !passes_soon(error.code) || now > give_up) return error;
    std::this_thread::sleep_for(kPause);
  }
}

grpc::Status Service::Ask(grpc::ServerContext* context, const v1::AskRequest* request,
                          grpc::ServerWriter<v1::AnswerEvent>* writer) {
  const auto authorization = admit(*context);
  if (!authorization) return not_let_in();
  Answer answer{*authorization, {}, {}, 0, false};
  return status_of(follow(*context, request, answer,
                          [writer](const v1::AnswerEvent& event) { return writer->Write(event); }));
}

grpc::Status Service::Watch(grpc::ServerContext* context, const v1::WatchRequest* request,
                            grpc::ServerWriter<v1::AnswerEvent>* writer) {
  const auto authorization = admit(*context);
  if (!authorization) return not_let_in();
  if (request->stream().empty()) return {grpc::StatusCode::INVALID_ARGUMENT, "Name the stream."};
  Answer answer{*authorization, request->stream(), {}, request->after_seq(), false};
  return status_of(follow(*context, nullptr, answer,
                          [writer](const v1::AnswerEvent& event) { return writer->Write(event); }));
}

grpc::Status Service::Chat(grpc::ServerContext* context,
                           grpc::ServerReaderWriter<v1::AnswerEvent, v1::AskRequest>* stream) {
  const auto authorization = admit(*context);
  if (!authorization) return not_let_in();
  const auto write = [stream](const v1::AnswerEvent& event) { return stream->Write(event); };
  std::string conversation;
  v1::AskRequest question;
  while (stream->Read(&question)) {
    if (question.conversation().empty()) question.set_conversation(conversation);
    Answer answer{*authorization, {}, {}, 0, false};
    const Status told = follow(*context, &question, answer, write);
    if (!told && told.error().code == ErrorCode::kCancelled) return status_of(told.error());
    if (!told && !write(failure_event(told.error()))) break;
    if (!answer.conversation.empty()) conversation = answer.conversation;
  }
  return grpc::Status::OK;
}

grpc::Status Service::Cancel(grpc::ServerContext* context, const v1::CancelRequest* request,
                             v1::CancelReply* reply) {
  const auto authorization = admit(*context);
  if (!authorization) return not_let_in();
  const auto told =
      frontend_.post(*authorization, "/api/streams/" + http::url_encode(request->stream()) + "/cancel", "{}",
                     "application/json");
  if (!told) return status_of(told.error());
  reply->set_cancelling(true);
  return grpc::Status::OK;
}

grpc::Status Service::Upload(grpc::ServerContext* context, grpc::ServerReader<v1::UploadPiece>* reader,
                             v1::Document* reply) {
  const auto authorization = admit(*context);
  if (!authorization) return not_let_in();
  auto file = spool_file();
  if (!file) return status_of(file.error());
  v1::UploadPiece piece;
  v1::UploadPiece first;
  std::uint64_t size = 0;
  for (bool begun = false; reader->Read(&piece); begun = true) {
    if (!begun) first = piece;
    size += piece.data().size();
    if (size > upload_limit_) return {grpc::StatusCode::RESOURCE_EXHAUSTED, "The file is too large."};
    if (auto written = write_all(file->get(), piece.data()); !written) return status_of(written.error());
  }
  if (context->IsCancelled()) return {grpc::StatusCode::CANCELLED, "The caller has left."};
  const std::string path = "/api/documents?name=" + http::url_encode(first.name()) +
                           "&collection=" + http::url_encode(first.collection()) +
                           "&material_id=" + http::url_encode(first.material_id());
  const auto stored =
      frontend_.upload(*authorization, path, std::move(*file), size,
                       first.content_type().empty() ? "application/octet-stream" : first.content_type());
  if (!stored) return status_of(stored.error());
  auto document = first_document(*stored);
  if (!document) return status_of(document.error());
  *reply = std::move(*document);
  return grpc::Status::OK;
}

grpc::Status Service::Search(grpc::ServerContext* context, const v1::SearchRequest* request,
                             v1::SearchReply* reply) {
  const auto authorization = admit(*context);
  if (!authorization) return not_let_in();
  std::string path = "/api/search?q=" + http::url_encode(request->query());
  if (!request->collection().empty()) path += "&collection=" + http::url_encode(request->collection());
  if (request->k() != 0) path += "&k=" + std::to_string(request->k());
  const auto found = frontend_.get(*authorization, path);
  if (!found) return status_of(found.error());
  auto parsed = search_reply(*found);
  if (!parsed) return status_of(parsed.error());
  *reply = std::move(*parsed);
  return grpc::Status::OK;
}

grpc::Status Service::WatchDocument(grpc::ServerContext* context, const v1::DocumentRequest* request,
                                    grpc::ServerWriter<v1::Document>* writer) {
  const auto authorization = admit(*context);
  if (!authorization) return not_let_in();
  constexpr std::string_view kData = "data: ";
  bool settled = false;
  const auto line = [&](std::string_view text) {
    if (!text.starts_with(kData)) return true;
    const auto changed = document(text.substr(kData.size()));
    if (!changed) return true;
    settled = changed->state() == "ready" || changed->state() == "failed";
    return writer->Write(*changed) && !settled;
  };
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  while (true) {
    const auto read =
        frontend_.read_lines({"GET",
                              "/api/documents/" + http::url_encode(request->document()) + "/events",
                              {},
                              "text/event-stream",
                              *authorization},
                             line, [context] { return context->IsCancelled(); });
    if (settled) return grpc::Status::OK;
    Error error{ErrorCode::kNotFound, "The document was deleted."};
    if (!read) error = read.error();
    if (read && read->status != 200) error = error_of(read->status, read->refusal);
    // What comes first on a new connection is the document as it is: nothing is lost.
    if (!passes_soon(error.code) || std::chrono::steady_clock::now() > give_up) return status_of(error);
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace answermill::grpc_bridge
