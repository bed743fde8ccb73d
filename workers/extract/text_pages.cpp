#include "workers/extract/text_pages.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "shared/text/utf8.h"
#include "workers/extract/document_type.h"
#include "workers/extract/encoding.h"

namespace answermill::extract {
namespace {

// Enough source bytes for a page in any encoding (four bytes a character), with some to spare.
constexpr std::size_t kWindowBytes = 4 * (kPageMost + 64);
constexpr std::size_t kReadBytes = 256U << 10U;

Result<std::string> read_at(int fd, std::uint64_t offset, std::size_t most) {
  std::string bytes(most, '\0');
  std::size_t done = 0;
  while (done < most) {
    const ssize_t n = pread(fd, bytes.data() + done, most - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      return Error{ErrorCode::kInternal,
                   fmt::format("reading the document failed: {}", std::strerror(errno))};
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

// How good a page end before `line_begin` is: 3 before a heading, 2 after a blank line, 1 at a line.
int rank_of(std::string_view window, std::size_t line_begin, bool blank_before, Markup markup) {
  const auto rest = window.substr(line_begin);
  if (markup == Markup::kMarkdown && rest.substr(0, 1) == "#") return 3;
  return blank_before ? 2 : 1;
}

}  // namespace

std::size_t page_end(std::string_view window, Markup markup) {
  std::size_t code_points = 0;
  std::size_t last_space = 0;
  std::size_t best = 0;
  int best_rank = 0;
  bool blank_line = true;
  std::size_t at = 0;
  while (at < window.size() && code_points < kPageMost) {
    const char32_t c = text::next_code_point(window, at);
    ++code_points;
    if (c != U'\n') {
      const bool white = c == U' ' || c == U'\t' || c == U'\r';
      if (white) last_space = at;
      blank_line = blank_line && white;
      continue;
    }
    // A heading may end a page early; the best end nearest the target wins among equals.
    const int rank = rank_of(window, at, blank_line, markup);
    const std::size_t least = rank == 3   ? kPageTarget / 2
                              : rank == 2 ? kPageTarget * 3 / 4
                                          : kPageTarget * 9 / 10;
    const bool better = rank > best_rank || (rank == best_rank && code_points <= kPageTarget);
    if (code_points >= least && better) {
      best = at;
      best_rank = rank;
    }
    blank_line = true;
  }
  if (at >= window.size() && code_points < kPageMost) return window.size();
  if (best > 0) return best;
  return last_space > at / 2 ? last_space : at;
}

TextPages::TextPages(int fd, std::uint64_t file_size, std::string encoding, Markup markup,
                     std::uint64_t begin)
    : fd_(fd), file_size_(file_size), encoding_(std::move(encoding)), markup_(markup), position_(begin) {}

Status TextPages::fill() {
  const std::size_t held = buffer_.size() - front_;
  const std::uint64_t read_to = position_ + held;
  if (held >= kWindowBytes || read_to >= file_size_) return {};
  buffer_.erase(0, front_);
  front_ = 0;
  const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(kReadBytes, file_size_ - read_to));
  auto bytes = read_at(fd_, read_to, most);
  if (!bytes) return bytes.error();
  if (bytes->empty()) return Error{ErrorCode::kInternal, "the document is shorter than it was"};
  buffer_ += *bytes;
  return {};
}

Result<std::optional<TextPages::Page>> TextPages::next() {
  if (auto status = fill(); !status) return status.error();
  if (front_ == buffer_.size()) return std::optional<Page>{};
  // The window is a fixed number of bytes, so that a page's end never depends on how the file was read.
  const std::string_view source = std::string_view(buffer_).substr(front_, kWindowBytes);
  const bool last = position_ + source.size() >= file_size_;
  Decoded window = decode(encoding_, source, source.size() * 4, last);
  if (window.consumed == 0) return Error{ErrorCode::kInternal, "the document's text does not decode"};
  // A window that is short because its bytes are, not because the text ends, still has kPageMost characters.
  const std::size_t end = page_end(window.text, markup_);
  Page page;
  page.begin = position_;
  std::size_t consumed = window.consumed;
  if (end < window.text.size()) consumed = decode(encoding_, source, end, last).consumed;
  window.text.resize(end);
  page.text = std::move(window.text);
  if (consumed == 0) return Error{ErrorCode::kInternal, "the document's text does not decode"};
  position_ += consumed;
  page.end = position_;
  front_ += consumed;
  return std::optional<Page>(std::move(page));
}

Result<std::string> detect_file_encoding(int fd, std::uint64_t file_size) {
  auto head = read_at(fd, 0, kSniffBytes);
  if (!head) return head.error();
  auto encoding = detect_encoding(*head);
  if (!encoding) return Error{ErrorCode::kUnsupported, "This is not text in any encoding that is known."};
  if (*encoding != "UTF-8" || head->substr(0, 3) == "\xEF\xBB\xBF") return *encoding;
  // Pure ASCII at first may be followed by another encoding's letters: the first ill-formed place decides.
  std::string rest;
  for (std::uint64_t at = 0; at < file_size;) {
    auto bytes = read_at(fd, at, kReadBytes);
    if (!bytes) return bytes.error();
    if (bytes->empty()) break;
    at += bytes->size();
    rest += *bytes;
    const Decoded decoded = decode("UTF-8", rest, rest.size() * 3, at >= file_size);
    const bool ill_formed = decoded.text.size() != decoded.consumed;
    if (ill_formed) {
      const auto found = detect_encoding(rest);
      return found ? *found : std::string("UTF-8");
    }
    rest.erase(0, decoded.consumed);
  }
  return std::string("UTF-8");
}

}  // namespace answermill::extract
