#include "workers/extract/pdf_parser.h"

#include <iconv.h>
#include <poll.h>
#include <poppler-document.h>
#include <poppler-global.h>
#include <poppler-page.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <limits>
#include <memory>
#include <new>
#include <string>

#include "shared/text/utf8.h"
#include "workers/extract/parser_wire.h"

namespace answermill::extract {
namespace {

bool send_all(int session, const void* data, std::size_t size) {
  const auto* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = send(session, at, size, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

bool reply(int session, ReplyKind kind, std::uint32_t number, const std::string& body = {}) {
  const ReplyHeader header{kind, number, static_cast<std::uint32_t>(body.size())};
  return send_all(session, &header, sizeof(header)) && send_all(session, body.data(), body.size());
}

// False when the worker closed the session or asked for nothing within `limits.idle`.
bool receive(int session, const ParserLimits& limits, PageRequest* request) {
  pollfd wait{session, POLLIN, 0};
  if (poll(&wait, 1, static_cast<int>(limits.idle.count() * 1000)) <= 0) return false;
  return recv(session, request, sizeof(*request), MSG_WAITALL) == static_cast<ssize_t>(sizeof(*request));
}

// poppler hands out UTF-16 with unpaired surrogates where a document has them.
std::string from_utf16(const poppler::ustring& in) {
  std::string out;
  out.reserve(in.size() + in.size() / 4);
  for (std::size_t i = 0; i < in.size() && out.size() + 4 < kMaxReplyBytes; ++i) {
    char32_t c = in[i];
    if (c >= 0xD800 && c <= 0xDBFF && i + 1 < in.size() && in[i + 1] >= 0xDC00 && in[i + 1] <= 0xDFFF) {
      c = 0x10000 + ((c - 0xD800) << 10U) + (static_cast<char32_t>(in[++i]) - 0xDC00);
    } else if (c >= 0xD800 && c <= 0xDFFF) {
      c = text::kReplacement;
    }
    if (c != 0) text::append_code_point(out, c);
  }
  return out;
}

// Messages end up in errors and logs, where a document's text has no place: what they quote is left out.
void report(const std::string& message, void* /*closure*/) {
  std::string line = message.substr(0, message.find('\''));
  if (const auto close = message.rfind('\''); close != std::string::npos)
    line += "\u2026" + message.substr(close + 1);
  std::fprintf(stderr, "%.160s\n", line.c_str());
}

int serve(int session, const char* bytes, int size, const ParserLimits& limits) {
  poppler::set_debug_error_function(report, nullptr);
  const std::unique_ptr<poppler::document> document(poppler::document::load_from_raw_data(bytes, size));
  if (!document) return reply(session, ReplyKind::kUnreadable, 0) ? 0 : 1;
  if (document->is_locked()) return reply(session, ReplyKind::kLocked, 0) ? 0 : 1;
  const int pages = document->pages();
  if (!reply(session, ReplyKind::kOpened, pages > 0 ? static_cast<std::uint32_t>(pages) : 0)) return 1;
  PageRequest request;
  while (receive(session, limits, &request)) {
    const bool exists = request.page >= 1 && request.page <= static_cast<std::uint32_t>(pages);
    const std::unique_ptr<poppler::page> page(
        exists ? document->create_page(static_cast<int>(request.page) - 1) : nullptr);
    if (!page) {
      if (!reply(session, ReplyKind::kBadPage, request.page)) return 1;
      continue;
    }
    // Physical layout keeps a table's label and its numbers on one line; columns of prose are parted
    // afterwards.
    const poppler::ustring found = page->text(poppler::rectf(), poppler::page::physical_layout);
    if (!reply(session, ReplyKind::kText, request.page, from_utf16(found))) return 1;
  }
  return 0;
}

}  // namespace

void load_conversions() {
  // Kept open: glibc unloads the module of a conversion that is no longer used. The names are those of
  // poppler::ustring's from_utf8() and to_utf8().
  static const std::array<iconv_t, 2> kept{iconv_open("UTF-16", "UTF-8"), iconv_open("UTF-8", "UTF-16")};
  (void)kept;
}

int run_pdf_parser(int session, int document, const ParserLimits& limits) {
  struct stat info {};
  if (fstat(document, &info) != 0) return 1;
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size == 0 || size > static_cast<std::uint64_t>(std::numeric_limits<int>::max())) {
    return reply(session, ReplyKind::kUnreadable, 0) ? 0 : 1;
  }
  void* mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, document, 0);
  if (mapped == MAP_FAILED) return 1;
  try {
    return serve(session, static_cast<const char*>(mapped), static_cast<int>(size), limits);
  } catch (const std::bad_alloc&) {
    return kExitOutOfMemory;
  }
}

}  // namespace answermill::extract
