#include "frontend/command/client/ingest_lines.h"

#include <fmt/format.h>
#include <cmath>

#include <algorithm>
#include <chrono>
#include <vector>

#include "frontend/command/client/format.h"

namespace answermill::command {
namespace {

constexpr std::size_t kNameWidth = 26;
constexpr std::size_t kBarWidth = 20;

std::uint64_t natural(const Json& object, const char* name) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, integer_of(object, name)));
}

double fraction(const FileProgress& file) {
  switch (file.state) {
    case FileState::kWaiting:
      return 0;
    case FileState::kUploading:
      return file.size == 0 ? 0 : static_cast<double>(file.sent) / static_cast<double>(file.size);
    case FileState::kProcessing:
      return number_of(file.document, "progress");
    case FileState::kReady:
      return 1;
    case FileState::kFailed:
      return 0;
  }
  return 0;
}

std::string bar(double part) {
  const auto filled =
      static_cast<std::size_t>(std::lround(std::clamp(part, 0.0, 1.0) * static_cast<double>(kBarWidth)));
  std::string text;
  for (std::size_t at = 0; at < kBarWidth; ++at) text += at < filled ? "█" : "░";
  return text;
}

std::string stages_text(const Json& document) {
  const Json& pages = member(document, "pages");
  const std::uint64_t total = natural(pages, "total");
  if (total == 0) return "reading";
  return fmt::format("{} read, {} embedded, {} searchable of {}", format_count(natural(pages, "extracted")),
                     format_count(natural(pages, "embedded")), format_count(natural(pages, "searchable")),
                     total == 1 ? "1 page" : format_count(total) + " pages");
}

std::string doing(const FileProgress& file) {
  switch (file.state) {
    case FileState::kWaiting:
      return "waiting";
    case FileState::kUploading:
      return fmt::format("sending {} of {}", format_bytes(file.sent), format_bytes(file.size));
    case FileState::kProcessing: {
      const Json& eta = member(file.document, "eta_ms");
      const std::string left =
          eta.is_number()
              ? ", " + format_duration(std::chrono::milliseconds(integer_of(file.document, "eta_ms"))) +
                    " left"
              : "";
      return stages_text(file.document) + left;
    }
    case FileState::kReady:
      return pages_text(file.document);
    case FileState::kFailed:
      return one_line(file.problem);
  }
  return {};
}

std::string page_list(const Json& pages) {
  std::vector<std::string> numbers;
  for (const Json& page : pages) {
    if (page.is_number_integer()) numbers.push_back(std::to_string(page.get<std::int64_t>()));
  }
  return fmt::format("{}", fmt::join(numbers, ", "));
}

}  // namespace

std::string pages_text(const Json& document) {
  const Json& pages = member(document, "pages");
  const std::uint64_t total = natural(pages, "total");
  const std::uint64_t searchable = natural(pages, "searchable");
  if (total == 0) return {};
  if (searchable == total)
    return total == 1 ? "1 page searchable" : format_count(total) + " pages searchable";
  return fmt::format("{} of {} pages searchable", format_count(searchable), format_count(total));
}

std::string bar_line(const FileProgress& file, std::size_t width) {
  const double part = fraction(file);
  const std::string line = fmt::format("{} {} {:>3.0f} %  {}", fitted(one_line(file.name), kNameWidth),
                                       bar(part), std::clamp(part, 0.0, 1.0) * 100, doing(file));
  return shortened(line, width);
}

std::string final_lines(const FileProgress& file) {
  if (file.state == FileState::kFailed) {
    return fmt::format("{}: failed: {}\n", one_line(file.path), one_line(file.problem));
  }
  const std::string pages = pages_text(file.document);
  std::string lines =
      fmt::format("{}: {}, {} passages (id {})\n", one_line(file.path), pages.empty() ? "searchable" : pages,
                  format_count(natural(file.document, "chunks")), one_line(text_of(file.document, "id")));
  for (const Json& warning : member(file.document, "warnings")) {
    lines += fmt::format("  without page {}: {}\n", page_list(member(warning, "pages")),
                         one_line(text_of(warning, "message")));
  }
  return lines;
}

std::string plain_line(const FileProgress& file, PlainMemory& shown) {
  const int quarter = file.state == FileState::kProcessing ? static_cast<int>(fraction(file) * 4) : -1;
  const bool news = file.state != shown.state || quarter > shown.quarter;
  if (!news) return {};
  const bool known = natural(member(file.document, "pages"), "total") > 0;
  if (file.state == FileState::kProcessing && file.state == shown.state && !known) return {};
  shown = {file.state, quarter};
  if (file.state != FileState::kUploading && file.state != FileState::kProcessing) return {};
  return fmt::format(
      "{}: {}\n", one_line(file.path),
      file.state == FileState::kUploading ? "sending " + format_bytes(file.size) : doing(file));
}

}  // namespace answermill::command
