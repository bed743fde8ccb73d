// TLS on the server's side: one certificate and its key, and the transport of connections made under them.
//
// Thread: one. A context never changes: a reload makes another one, and connections keep the one they began
// with. Idle connections hold no buffers of OpenSSL.
// Source: RFC 8446, RFC 5246, RFC 7301 (ALPN), https://docs.openssl.org/3.0/man3/SSL_read/
#pragma once

#include <memory>
#include <string>

#include "frontend/server/edge/transport.h"
#include "shared/base/result.h"

namespace answermill::frontend {

struct TlsFiles {
  std::string certificate;  // PEM: ours first, then those between it and a known authority
  std::string key;          // PEM, without a passphrase, closed to other users
};

class TlsContext {
 public:
  // TLS 1.2 and 1.3, forward secrecy and authenticated encryption only, no renegotiation.
  // Errors: kInvalidArgument, with the file's name and what is wrong with it; never with what is in the key.
  static Result<std::shared_ptr<const TlsContext>> load(const TlsFiles& files);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // The handshake happens within read().
  std::unique_ptr<Transport> transport(int fd) const;

  // Until the certificate expires; negative when it has.
  long days_left() const;

 private:
  struct Impl;
  explicit TlsContext(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace answermill::frontend
