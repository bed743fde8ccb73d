// OpenSSL reads and writes the socket itself, through a BIO that never raises SIGPIPE. Without read-ahead it
// takes exactly one record at a time, so that everything not yet decrypted waits in the kernel: a socket
// with something to read is always readable, and level-triggered waiting needs no second thought.
#include "frontend/server/edge/tls.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace answermill::frontend {
namespace {

constexpr std::size_t kRecordBytes = SSL3_RT_MAX_PLAIN_LENGTH;
constexpr unsigned char kHandshakeRecord = 22;  // RFC 8446 section 5.1: the first byte of any TLS client

int bio_read(BIO* bio, char* buffer, int size) {
  BIO_clear_retry_flags(bio);
  const auto fd = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  const ssize_t got = ::recv(fd, buffer, static_cast<std::size_t>(size), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(got);
}

int bio_write(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const auto fd = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  const ssize_t sent = ::send(fd, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

long bio_control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

struct MethodDeleter {
  void operator()(BIO_METHOD* method) const { BIO_meth_free(method); }
};
using Method = std::unique_ptr<BIO_METHOD, MethodDeleter>;

Method make_method() {
  Method method(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket"));
  BIO_meth_set_read(method.get(), &bio_read);
  BIO_meth_set_write(method.get(), &bio_write);
  BIO_meth_set_ctrl(method.get(), &bio_control);
  return method;
}

struct ContextDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

// RFC 7301: the client's list is length-prefixed names. One that offers only what we do not speak is refused.
int choose_protocol(SSL* /*ssl*/, const unsigned char** chosen, unsigned char* chosen_length,
                    const unsigned char* offered, unsigned int offered_length, void* /*unused*/) {
  static constexpr std::array<unsigned char, 9> kHttp{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* found = nullptr;
  const int outcome =
      SSL_select_next_proto(&found, chosen_length, kHttp.data(), kHttp.size(), offered, offered_length);
  if (outcome != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

// A key with a passphrase would make OpenSSL ask for it on the terminal.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*unused*/) { return 0; }

std::string openssl_reason() {
  const unsigned long error = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(error);
  std::string out = reason != nullptr ? reason : "unreadable";
  ERR_clear_error();
  return out;
}

Error bad_file(std::string_view flag, const std::string& path, std::string_view why) {
  return Error{ErrorCode::kInvalidArgument, fmt::format("--{}: {}: {}", flag, path, why)};
}

Status check_file(std::string_view flag, const std::string& path, bool secret) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return bad_file(flag, path, std::strerror(errno));
  if (!S_ISREG(facts.st_mode)) return bad_file(flag, path, "is not a file");
  if (secret && (facts.st_mode & S_IRWXO) != 0)
    return bad_file(flag, path, "other users may read the key; chmod o= it");
  return {};
}

}  // namespace

struct TlsContext::Impl {
  Method method = make_method();
  std::unique_ptr<SSL_CTX, ContextDeleter> context{SSL_CTX_new(TLS_server_method())};
  std::array<char, kRecordBytes> joined{};  // small pieces share a record
};

namespace {

void restrict_protocol(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  // TLS 1.2 only as far as it has forward secrecy and authenticated encryption; 1.3 has nothing else.
  SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);  // HTTP knows where its messages end
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Tickets resume sessions without memory of ours; one is enough.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_alpn_select_cb(context, &choose_protocol, nullptr);
  SSL_CTX_set_default_passwd_cb(context, &no_passphrase);
}

class TlsTransport final : public Transport {
 public:
  TlsTransport(int fd, SSL_CTX* context, const BIO_METHOD* method, std::array<char, kRecordBytes>& joined,
               std::shared_ptr<const void> keeps)
      : fd_(fd), context_(context), method_(method), joined_(joined), keeps_(std::move(keeps)) {}

  Outcome read(char* buffer, std::size_t size) override {
    if (ended_) return discard(buffer, size);
    if (!ssl_) {
      const auto begun = begin();
      if (begun.status != Status::kDone) return begun;
    }
    Outcome out;
    // A full record is often one of many; a short one is the last. A record that would not fit must not be
    // begun: its rest would wait in here, unseen by the poll.
    while (size - out.bytes >= kRecordBytes) {
      std::size_t got = 0;
      ERR_clear_error();
      const int done = SSL_read_ex(ssl_.get(), buffer + out.bytes, size - out.bytes, &got);
      if (done != 1) return {failure(done), out.bytes};
      out.bytes += got;
      if (got < kRecordBytes) break;
    }
    return out;
  }

  Outcome write(const iovec* pieces, std::size_t count) override {
    if (!established()) return {Status::kWantRead};
    const auto* bytes = static_cast<const char*>(pieces[0].iov_base);
    std::size_t length = std::min(pieces[0].iov_len, kRecordBytes);
    if (count > 1 && length < kRecordBytes) {
      length = 0;
      for (std::size_t i = 0; i < count && length < kRecordBytes; ++i) {
        const std::size_t part = std::min(pieces[i].iov_len, kRecordBytes - length);
        std::memcpy(joined_.data() + length, pieces[i].iov_base, part);
        length += part;
      }
      bytes = joined_.data();
    }
    std::size_t sent = 0;
    ERR_clear_error();
    const int done = SSL_write_ex(ssl_.get(), bytes, length, &sent);
    if (done != 1) return {failure(done)};
    return {Status::kDone, sent};
  }

  Outcome end() override {
    if (established()) {
      ERR_clear_error();
      const int done = SSL_shutdown(ssl_.get());
      if (done < 0 && SSL_get_error(ssl_.get(), done) == SSL_ERROR_WANT_WRITE) return {Status::kWantWrite};
    }
    ended_ = true;
    ::shutdown(fd_, SHUT_WR);
    return {};
  }

  bool established() const override { return ssl_ && SSL_is_init_finished(ssl_.get()) == 1; }

 private:
  // Nothing is set up for a peer that has not spoken, nor for one that does not speak TLS.
  Outcome begin() {
    unsigned char first = 0;
    const ssize_t got = ::recv(fd_, &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got == 0) return {Status::kEnd};
    if (got < 0) {
      const bool later = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
      return {later ? Status::kWantRead : Status::kFailed};
    }
    if (first != kHandshakeRecord) return {Status::kPlaintext};
    ssl_.reset(SSL_new(context_));
    BIO* bio = ssl_ ? BIO_new(method_) : nullptr;
    if (bio == nullptr) return {Status::kFailed};
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(fd_)));
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    SSL_set_accept_state(ssl_.get());
    return {};
  }

  Outcome discard(char* buffer, std::size_t size) const {
    const ssize_t got = ::recv(fd_, buffer, size, MSG_DONTWAIT);
    if (got > 0) return {Status::kDone, static_cast<std::size_t>(got)};
    if (got == 0) return {Status::kEnd};
    const bool later = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    return {later ? Status::kWantRead : Status::kFailed};
  }

  Status failure(int done) const {
    const int why = SSL_get_error(ssl_.get(), done);
    ERR_clear_error();
    switch (why) {
      case SSL_ERROR_WANT_READ:
        return Status::kWantRead;
      case SSL_ERROR_WANT_WRITE:
        return Status::kWantWrite;
      case SSL_ERROR_ZERO_RETURN:
        return Status::kEnd;
      default:
        return Status::kFailed;
    }
  }

  int fd_;
  SSL_CTX* context_;
  const BIO_METHOD* method_;
  std::array<char, kRecordBytes>& joined_;
  std::shared_ptr<const void> keeps_;  // what the four above belong to
  std::unique_ptr<SSL, SslDeleter> ssl_;
  bool ended_ = false;
};

}  // namespace

TlsContext::TlsContext(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<const TlsContext>> TlsContext::load(const TlsFiles& files) {
  if (files.certificate.empty() || files.key.empty()) {
    return Error{ErrorCode::kInvalidArgument, "https needs a certificate and its key: --tls-cert, --tls-key"};
  }
  if (const auto usable = check_file("tls-cert", files.certificate, false); !usable) return usable.error();
  if (const auto usable = check_file("tls-key", files.key, true); !usable) return usable.error();
  auto impl = std::make_shared<Impl>();
  SSL_CTX* context = impl->context.get();
  ERR_clear_error();
  restrict_protocol(context);
  if (SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1)
    return bad_file("tls-cert", files.certificate, openssl_reason());
  if (SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1)
    return bad_file("tls-key", files.key, openssl_reason());
  if (SSL_CTX_check_private_key(context) != 1)
    return bad_file("tls-key", files.key, "is not the key of the certificate");
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(impl)));
}

std::unique_ptr<Transport> TlsContext::transport(int fd) const {
  return std::make_unique<TlsTransport>(fd, impl_->context.get(), impl_->method.get(), impl_->joined, impl_);
}

long TlsContext::days_left() const {
  int days = 0;
  int seconds = 0;
  const X509* certificate = SSL_CTX_get0_certificate(impl_->context.get());
  ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(certificate));
  return days - (seconds < 0 ? 1 : 0);
}

}  // namespace answermill::frontend
