// Encoding of every message of the bus and of every job payload.
//
// A message struct lists its fields once, in wire order, in `auto tie()`. On the wire it is a msgpack array:
// fields may only be appended; a decoder accepts shorter arrays (missing fields keep their defaults) and
// longer ones (the surplus is skipped). Decoding runs under explicit limits and never throws.
//
// Source: https://github.com/msgpack/msgpack/blob/master/spec.md
#pragma once

#include <string>
#include <string_view>

#include "shared/base/result.h"

namespace answermill::messages {

// The largest frame any of our sockets accepts (ZMQ_MAXMSGSIZE): bulk data travels as blobs.
inline constexpr std::size_t kMaxMessageBytes = 8U << 20U;

// Room for most messages, so that writing one allocates once.
inline constexpr std::size_t kUsualBytes = 512;

template <class Message>
std::string encode(const Message& message);
// The same, behind what `out` has already.
template <class Message>
void encode_onto(std::string& out, const Message& message);

// Errors: kMalformed.
template <class Message>
Result<Message> decode(std::string_view bytes);

// A frame of the bus: one byte protocol version, one byte kind, then the encoded message.
inline constexpr std::uint8_t kProtocolVersion = 1;

template <class Kind, class Message>
std::string encode_frame(Kind kind, const Message& message) {
  std::string frame;
  frame.reserve(kUsualBytes);
  frame.push_back(static_cast<char>(kProtocolVersion));
  frame.push_back(static_cast<char>(kind));
  encode_onto(frame, message);
  return frame;
}

struct Frame {
  std::uint8_t kind = 0;
  std::string_view body;  // points into the bytes that were split
};

// Errors: kMalformed for an empty frame or another protocol version.
Result<Frame> split_frame(std::string_view bytes);

}  // namespace answermill::messages
