// Uploads by HTML forms: any body, cut anywhere, gives the same parts as the whole, or the same refusal.
#include <cstdlib>
#include <string>

#include "frontend/server/api/multipart.h"
#include "tests/fuzz/input.h"

using namespace answermill;

namespace {

class Collect : public frontend::MultipartHandler {
 public:
  void on_part(const frontend::PartHeader& header) override {
    seen += "[" + header.name + "|" + header.file_name + "|" + header.content_type + "]";
  }
  void on_part_data(std::string_view bytes) override { seen += bytes; }
  void on_part_end() override { seen += "[end]"; }
  std::string seen;
};

// 0 cuts nothing; otherwise pieces of 1 to `step` bytes.
std::string parts_of(std::string_view boundary, std::string_view body, std::size_t step, bool& good) {
  Collect collect;
  frontend::MultipartParser parser(boundary, collect);
  good = true;
  for (std::size_t at = 0; good && at < body.size();) {
    const std::size_t piece = step == 0 ? body.size() : 1 + at % step;
    good = parser.feed(body.substr(at, piece)).has_value();
    at += piece;
  }
  good = good && parser.end().has_value();
  return collect.seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view type = text.substr(0, text.find('\n'));
  const std::string_view body = text.substr(std::min(size, type.size() + 1));
  (void)frontend::parse_part_header(text);
  const auto boundary = frontend::multipart_boundary(type);
  if (!boundary) return 0;
  bool whole_good = false;
  bool cut_good = false;
  const std::string whole = parts_of(*boundary, body, 0, whole_good);
  const std::string cut = parts_of(*boundary, body, 3, cut_good);
  if (whole_good != cut_good || (whole_good && whole != cut)) std::abort();
  return 0;
}
