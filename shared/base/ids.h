// Random identifiers and fixed-width bus topics.
#pragma once

#include <string>
#include <string_view>

namespace answermill {

// Topics have one fixed width, so that a prefix subscription can never match a longer neighbour.
inline constexpr std::size_t kTopicWidth = 16;

// `length` characters of lower-case base32 from the kernel's random source (5 bits each).
std::string random_id(std::size_t length = kTopicWidth);

// The topic of a named room: the first 80 bits of SHA-256 of the name, in base32.
std::string topic_of(std::string_view name);

// "<topic>-<16 random characters>": a stream names its topic, so a frontend knows where to listen.
std::string new_stream_id(std::string_view topic);

// The topic of a stream id; empty when the id is not well formed.
std::string_view topic_of_stream(std::string_view stream_id);

}  // namespace answermill
