#include "tests/unit/edge/tls_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace answermill::frontend::test {
namespace {

constexpr int kPatienceSeconds = 10;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

CertificateFolder::CertificateFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "answermill-tls-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path_ = pattern;
}

CertificateFolder::~CertificateFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

TlsFiles CertificateFolder::make(const std::string& name) const {
  constexpr long kDay = 86'400;
  const std::unique_ptr<EVP_PKEY, Free> key(EVP_EC_gen("P-256"));
  const std::unique_ptr<X509, Free> certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 30 * kDay);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  const std::string host = "localhost";
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(host.data()),
                             static_cast<int>(host.size()), -1, 0);
  X509_set_issuer_name(certificate.get(), subject);
  X509_sign(certificate.get(), key.get(), EVP_sha256());

  TlsFiles files{path_ / (name + ".pem"), path_ / (name + ".key")};
  const std::unique_ptr<std::FILE, Free> out(std::fopen(files.certificate.c_str(), "w"));
  PEM_write_X509(out.get(), certificate.get());
  const std::unique_ptr<std::FILE, Free> secret(std::fopen(files.key.c_str(), "w"));
  chmod(files.key.c_str(), S_IRUSR | S_IWUSR);
  PEM_write_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return files;
}

TlsClient::TlsClient(std::uint16_t port, const Options& options)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), context_(SSL_CTX_new(TLS_client_method())) {
  const timeval patience{kPatienceSeconds, 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  if (options.receive_buffer > 0) {
    const int size = static_cast<int>(options.receive_buffer);
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
    throw std::runtime_error("cannot connect to the edge");
  if (options.version != 0) {
    SSL_CTX_set_security_level(context_.get(), 0);  // also what no server should take
    SSL_CTX_set_min_proto_version(context_.get(), options.version);
    SSL_CTX_set_max_proto_version(context_.get(), options.version);
  }
  ssl_.reset(SSL_new(context_.get()));
  if (!options.protocols.empty()) {
    SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(options.protocols.data()),
                        static_cast<unsigned>(options.protocols.size()));
  }
  SSL_set_fd(ssl_.get(), fd_.get());
  connected_ = SSL_connect(ssl_.get()) == 1;
  ERR_clear_error();
}

std::string TlsClient::protocol() const {
  const unsigned char* name = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &length);
  return {reinterpret_cast<const char*>(name), length};
}

std::string TlsClient::certificate() const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  const std::unique_ptr<X509, Free> peer(SSL_get1_peer_certificate(ssl_.get()));
  if (!peer || X509_digest(peer.get(), EVP_sha256(), digest.data(), &length) != 1) return {};
  return {reinterpret_cast<const char*>(digest.data()), length};
}

bool TlsClient::send(std::string_view bytes) {
  std::size_t sent = 0;
  return bytes.empty() ||
         (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent) == 1 && sent == bytes.size());
}

bool TlsClient::fill() {
  std::array<char, 65536> chunk{};
  std::size_t got = 0;
  if (SSL_read_ex(ssl_.get(), chunk.data(), chunk.size(), &got) != 1) return false;
  buffer_.append(chunk.data(), got);
  return true;
}

std::string TlsClient::read(std::size_t bytes) {
  while (buffer_.size() < bytes && fill()) {
  }
  std::string out = buffer_.substr(0, bytes);
  buffer_.erase(0, out.size());
  return out;
}

std::string TlsClient::read_until(std::string_view marker) {
  std::size_t found = 0;
  while ((found = buffer_.find(marker)) == std::string::npos) {
    if (!fill()) return {};
  }
  std::string out = buffer_.substr(0, found + marker.size());
  buffer_.erase(0, out.size());
  return out;
}

bool TlsClient::at_end() {
  if (!buffer_.empty() || fill()) return false;
  ERR_clear_error();
  return errno != EAGAIN || SSL_get_shutdown(ssl_.get()) != 0;
}

bool TlsClient::renegotiate() {
  return SSL_renegotiate(ssl_.get()) == 1 && SSL_do_handshake(ssl_.get()) == 1;
}

}  // namespace answermill::frontend::test
