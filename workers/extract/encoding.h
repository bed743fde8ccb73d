// Which character encoding bytes are in, and their conversion to UTF-8 in pieces.
//
// Thread: pure functions. Source: https://encoding.spec.whatwg.org (labels), uchardet for the statistics.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace answermill::extract {

// An iconv name such as "UTF-8", "UTF-16LE", "WINDOWS-1252", "CP932"; nullopt when the bytes are no text.
// A sample may end in the middle of a character.
std::optional<std::string> detect_encoding(std::string_view sample);

struct Decoded {
  std::string text;          // UTF-8; ill-formed bytes as U+FFFD, a byte order mark kept
  std::size_t consumed = 0;  // source bytes that `text` stands for
};

// Decodes from the front of `bytes` until they end or the text would be longer than `most_bytes`. A character
// cut off at the end is left unconsumed unless `last`. The same call with most_bytes = text.size() gives the
// same text, which is how a place in the text is mapped to a place in the source.
Decoded decode(const std::string& encoding, std::string_view bytes, std::size_t most_bytes, bool last);

}  // namespace answermill::extract
