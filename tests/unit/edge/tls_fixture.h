// Certificates made on the spot, and a blocking TLS client. For tests.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "frontend/server/edge/tls.h"
#include "shared/base/unix_fd.h"

namespace answermill::frontend::test {

// A folder with certificates of "localhost"; removed at the end.
class CertificateFolder {
 public:
  CertificateFolder();
  ~CertificateFolder();
  CertificateFolder(const CertificateFolder&) = delete;
  CertificateFolder& operator=(const CertificateFolder&) = delete;

  // NAME.pem and NAME.key: a fresh key, a certificate that it signed itself.
  TlsFiles make(const std::string& name) const;
  std::filesystem::path path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Every read gives up after a few seconds and returns what there is.
class TlsClient {
 public:
  struct Options {
    int version = 0;               // of TLS, exactly; 0 for any
    std::string_view protocols{};  // ALPN in wire form
    std::size_t receive_buffer = 0;
  };
  explicit TlsClient(std::uint16_t port) : TlsClient(port, Options{}) {}
  TlsClient(std::uint16_t port, const Options& options);

  bool connected() const { return connected_; }
  std::string version() const { return SSL_get_version(ssl_.get()); }
  std::string protocol() const;     // what ALPN chose; empty for none
  std::string certificate() const;  // a digest of the server's
  bool send(std::string_view bytes);
  std::string read(std::size_t bytes);
  std::string read_until(std::string_view marker);
  bool at_end();  // the server has said goodbye or cut the connection
  bool renegotiate();
  SSL* raw() { return ssl_.get(); }
  int fd() const { return fd_.get(); }

 private:
  struct Deleter {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  bool fill();

  UniqueFd fd_;
  std::unique_ptr<SSL_CTX, Deleter> context_;
  std::unique_ptr<SSL, Deleter> ssl_;
  bool connected_ = false;
  std::string buffer_;
};

}  // namespace answermill::frontend::test
