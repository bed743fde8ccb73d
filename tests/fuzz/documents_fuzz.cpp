// Files that claim to be text: their type, their encoding, their pages, and how pages are cleaned.
#include <algorithm>
#include <cstdlib>

#include "shared/text/utf8.h"
#include "tests/fuzz/input.h"
#include "workers/extract/document_type.h"
#include "workers/extract/encoding.h"
#include "workers/extract/page_text.h"
#include "workers/extract/text_pages.h"

using namespace answermill;

namespace {

void insist(bool right) {
  if (!right) std::abort();
}

void pages(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = extract::page_end(text, extract::Markup::kMarkdown);
    insist(end > 0 && end <= text.size());
    const std::string page = extract::normalise_text_page(text.substr(0, end));
    insist(text::is_valid_utf8(page) && page.size() <= extract::kMaxPageBytes);
    text.remove_prefix(end);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  (void)extract::sniff(bytes, "file.md");
  const std::string page = extract::normalise_pdf_page(bytes);
  insist(text::is_valid_utf8(page) && page.size() <= extract::kMaxPageBytes);
  const auto encoding = extract::detect_encoding(bytes);
  if (!encoding) return 0;
  const std::size_t most = std::size_t{64} * (1 + data[0]);
  const auto decoded = extract::decode(*encoding, bytes, most, (data[0] & 1U) != 0);
  insist(decoded.consumed <= bytes.size() && decoded.text.size() <= most);
  insist(text::is_valid_utf8(decoded.text));
  pages(decoded.text);
  return 0;
}
