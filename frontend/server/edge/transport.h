// How bytes get from a connected socket to its peer and back: as they are, or through TLS (tls.h).
//
// Thread: one. Owns: what the protocol on the wire needs; the socket is the Peer's, and non-blocking.
// Nothing here waits: an outcome says what the socket must be ready for before it is worth to try again.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>

namespace answermill::frontend {

class Transport {
 public:
  enum class Status {
    kDone,       // at least one byte went through, or nothing was left to do; more may be possible at once
    kWantRead,   // when the socket is readable
    kWantWrite,  // when it is writable
    kEnd,        // the peer will send nothing more
    kPlaintext,  // the peer speaks, but no TLS; nothing was read
    kFailed,
  };
  struct Outcome {
    Status status = Status::kDone;
    std::size_t bytes = 0;  // went through, whatever the status
  };

  virtual ~Transport() = default;
  // Never kDone with data held back: what is left waits in the socket, where it shows as readable.
  // `size` must be at least 64 KB.
  virtual Outcome read(char* buffer, std::size_t size) = 0;
  // Takes a part of the pieces; the rest must be offered again, unchanged, and may have grown.
  virtual Outcome write(const iovec* pieces, std::size_t count) = 0;
  // Ends our direction. What the peer still sends is read and thrown away from then on.
  virtual Outcome end() = 0;
  // False until the peer has shown that it speaks the protocol.
  virtual bool established() const = 0;
};

std::unique_ptr<Transport> make_plain_transport(int fd);

}  // namespace answermill::frontend
