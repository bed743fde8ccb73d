// What a document is, judged by its first bytes: a name only tells Markdown from other text.
//
// Thread: pure. Errors: kEmptyFile, kUnsupported (names what it seems to be and what is supported).
#pragma once

#include <string>
#include <string_view>

#include "shared/base/result.h"

namespace answermill::extract {

inline constexpr char kFormatPdf[] = "pdf";
inline constexpr char kFormatText[] = "text";
inline constexpr char kFormatMarkdown[] = "markdown";

// As much of a file's head as sniffing looks at.
inline constexpr std::size_t kSniffBytes = 64U << 10U;

struct DocumentType {
  std::string format;  // kFormat…
};

// `head`: the file's first kSniffBytes bytes, or all of it.
Result<DocumentType> sniff(std::string_view head, std::string_view name);

}  // namespace answermill::extract
