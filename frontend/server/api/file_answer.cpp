#include "frontend/server/api/file_answer.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "shared/base/unix_fd.h"

namespace answermill::frontend {
namespace {

constexpr std::size_t kPieceBytes = 128 * 1024;

class FileAnswer final : public std::enable_shared_from_this<FileAnswer> {
 public:
  FileAnswer(AnswerContext context, UniqueFd file)
      : context_(context), file_(std::make_shared<UniqueFd>(std::move(file))) {}

  void start(const DocumentRow& document, Responder& responder) {
    context_.answers.keep(shared_from_this());
    // The bytes are a stranger's: never shown in our own origin, whatever type they claim.
    body_ = responder.stream(200, "application/octet-stream",
                             {{"Content-Disposition", content_disposition(document.name)},
                              {"Content-Security-Policy", "sandbox; default-src 'none'"}});
    body_->on_close = lifetime_.guard([this] { finish(); });
    body_->on_drain = lifetime_.guard([this] { read(); });
    read();
  }

 private:
  struct Piece {
    std::string bytes;
    bool failed = false;
  };

  void read() {
    if (std::exchange(reading_, true)) return;
    context_.services.disk.post(
        [file = file_, &loop = context_.services.loop,
         done = lifetime_.guard([this](const Piece& piece) { write(piece); })]() mutable {
          Piece piece{std::string(kPieceBytes, '\0'), false};
          ssize_t got = 0;
          do {
            got = ::read(file->get(), piece.bytes.data(), piece.bytes.size());
          } while (got < 0 && errno == EINTR);
          piece.failed = got < 0;
          piece.bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
          loop.post([piece = std::move(piece), done = std::move(done)]() mutable { done(piece); });
        });
  }

  void write(const Piece& piece) {
    reading_ = false;
    if (body_->closed()) return finish();
    if (piece.failed || piece.bytes.empty()) {
      body_->end();
      return finish();
    }
    body_->write(piece.bytes);
    if (body_->pending_bytes() < kHighWaterBytes) read();
  }

  void finish() {
    context_.services.loop.post(
        [&answers = context_.answers, self = shared_from_this()] { answers.drop(self); });
  }

  AnswerContext context_;
  std::shared_ptr<UniqueFd> file_;
  std::shared_ptr<BodyStream> body_;
  bool reading_ = false;
  Lifetime lifetime_;
};

}  // namespace

std::string content_disposition(std::string_view file_name) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string plain;
  std::string encoded;
  for (const char c : file_name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || c == '.' || c == '-' || c == '_') {
      encoded.push_back(c);
    } else {
      encoded.push_back('%');
      encoded.push_back(kHex[byte >> 4U]);
      encoded.push_back(kHex[byte & 15U]);
    }
    plain.push_back(byte >= 0x20 && byte < 0x7F && c != '"' && c != '\\' ? c : '_');
  }
  return "attachment; filename=\"" + plain + "\"; filename*=UTF-8''" + encoded;
}

void send_file(const AnswerContext& context, const DocumentRow& document, const ResponderPtr& responder) {
  if (document.blob.empty()) {
    return send_error(*responder, {ErrorCode::kNotFound, "The bytes of this file were not kept."});
  }
  auto file = context.services.blobs.open(document.blob);
  if (!file) return send_error(*responder, file.error());
  std::make_shared<FileAnswer>(context, std::move(*file))->start(document, *responder);
}

}  // namespace answermill::frontend
