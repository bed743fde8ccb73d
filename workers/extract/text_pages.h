// Cuts text files into pages of about 3,000 characters, where a heading, a paragraph or at least a line
// begins.
//
// Where a page ends depends only on the bytes that follow its begin, so a plan's pages can be cut again from
// any page on: that is how ranges of one big file are read by different jobs. Thread: a TextPages is used by
// one thread. Units: offsets are bytes of the source.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shared/base/result.h"
#include "workers/extract/blocks.h"

namespace answermill::extract {

inline constexpr std::size_t kPageTarget = 3000;  // code points
inline constexpr std::size_t kPageMost = 3600;

// Where the first page of `window` ends, as a byte offset. `window` is UTF-8 and holds everything up to the
// text's end or at least kPageMost code points. Never 0 for a window that is not empty.
std::size_t page_end(std::string_view window, Markup markup);

class TextPages {
 public:
  // Reads `fd` from `begin` on, to `file_size`. The descriptor must outlive it.
  TextPages(int fd, std::uint64_t file_size, std::string encoding, Markup markup, std::uint64_t begin);

  struct Page {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::string text;  // decoded, not normalised
  };
  // The next page, or nothing at the end. Holds a few hundred KB whatever the file's size. Errors: kInternal.
  Result<std::optional<Page>> next();

 private:
  Status fill();

  int fd_;
  std::uint64_t file_size_;
  std::string encoding_;
  Markup markup_;
  std::uint64_t position_;  // source offset of the next page
  std::string buffer_;      // source bytes that were read
  std::size_t front_ = 0;   // buffer_[front_] is the byte at position_
};

// The encoding of a whole file: its head as detected, unless it turns out not to be UTF-8 further on.
// Reads all of a UTF-8 file once. Errors: kUnsupported when it is not text, kInternal.
Result<std::string> detect_file_encoding(int fd, std::uint64_t file_size);

}  // namespace answermill::extract
