// Compressed WebSocket messages (permessage-deflate), with bounded memory: no context is taken over in either
// direction, so a connection owns state only while a compressed message is coming in, and what goes out is
// compressed by one deflater for all.
//
// This header is seen by C++17 as well. Thread: one.
// Source: RFC 7692; https://zlib.net/manual.html
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace answermill::frontend {

struct CompressionTerms {
  int server_window_bits = 15;  // how far back our compressed data may refer, as a power of two
  bool window_asked = false;    // the client set it, and wants to hear it
};

// The first offer of a Sec-WebSocket-Extensions header that can be met; none when there is no such offer.
std::optional<CompressionTerms> agree_on_compression(std::string_view offers);
// What is answered.
std::string describe_terms(const CompressionTerms& terms);

// Inflates one message that arrives in pieces.
class MessageInflater {
 public:
  MessageInflater();
  ~MessageInflater();
  MessageInflater(const MessageInflater&) = delete;
  MessageInflater& operator=(const MessageInflater&) = delete;

  enum class Outcome { kDone, kTooLarge, kBroken };
  // Appends to `out`, which never grows beyond `maximum_bytes`.
  Outcome inflate(std::string_view piece, std::string& out, std::size_t maximum_bytes);

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

// Deflates whole messages, for any number of connections.
class MessageDeflater {
 public:
  MessageDeflater();
  ~MessageDeflater();
  MessageDeflater(const MessageDeflater&) = delete;
  MessageDeflater& operator=(const MessageDeflater&) = delete;

  // The payload of the compressed frame, valid until the next call; empty when it is not worth it. The same
  // message for many connections one after the other is compressed once.
  std::string_view deflate(std::string_view message, const CompressionTerms& terms);

 private:
  struct Stream;
  static constexpr std::size_t kSizes = 16;
  std::array<std::unique_ptr<Stream>, kSizes> streams_;  // by window bits, made when first used
  std::string last_message_;
  int last_bits_ = 0;
  std::string last_result_;
};

}  // namespace answermill::frontend
