#include "workers/extract/encoding.h"

#include <iconv.h>
#include <uchardet/uchardet.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <memory>
#include <type_traits>

#include "shared/text/utf8.h"

namespace answermill::extract {
namespace {

constexpr std::string_view kReplacementUtf8 = "\xEF\xBF\xBD";

struct Mark {
  std::string_view bytes;
  const char* encoding;
};
using namespace std::string_view_literals;
constexpr std::array kMarks{
    Mark{"\xEF\xBB\xBF"sv, "UTF-8"},    Mark{"\xFF\xFE\0\0"sv, "UTF-32LE"},
    Mark{"\0\0\xFE\xFF"sv, "UTF-32BE"}, Mark{"\xFF\xFE"sv, "UTF-16LE"},
    Mark{"\xFE\xFF"sv, "UTF-16BE"},     Mark{"\x84\x31\x95\x33"sv, "GB18030"},
};

std::size_t unit_width(const std::string& encoding) {
  if (encoding.rfind("UTF-32", 0) == 0) return 4;
  return encoding.rfind("UTF-16", 0) == 0 ? 2 : 1;
}

// Length of the well-formed sequence at `at`; 0 when ill-formed, and `cut` when it only lacks its rest.
std::size_t sequence_length(std::string_view bytes, std::size_t at, bool* cut) {
  const auto lead = static_cast<unsigned char>(bytes[at]);
  const std::size_t length = lead < 0x80                   ? 1
                             : lead >= 0xC2 && lead < 0xE0 ? 2
                             : lead >= 0xE0 && lead < 0xF0 ? 3
                             : lead >= 0xF0 && lead < 0xF5 ? 4
                                                           : 0;
  if (length == 0) return 0;
  if (at + length <= bytes.size()) return text::is_valid_utf8(bytes.substr(at, length)) ? length : 0;
  for (std::size_t i = at + 1; i < bytes.size(); ++i) {
    if ((static_cast<unsigned char>(bytes[i]) & 0xC0U) != 0x80) return 0;
  }
  *cut = true;
  return 0;
}

// Well-formed multi-byte sequences and ill-formed ones.
struct Utf8Count {
  std::size_t good = 0;
  std::size_t bad = 0;
};

Utf8Count count_utf8(std::string_view bytes) {
  Utf8Count count;
  for (std::size_t at = 0; at < bytes.size();) {
    bool cut = false;
    const std::size_t length = sequence_length(bytes, at, &cut);
    if (cut) break;
    if (length > 1) ++count.good;
    if (length == 0) ++count.bad;
    at += std::max<std::size_t>(length, 1);
  }
  return count;
}

// Text has few controls and few characters that mean nothing.
bool looks_like_text(std::string_view utf8) {
  std::size_t odd = 0;
  std::size_t all = 0;
  for (std::size_t at = 0; at < utf8.size();) {
    const char32_t c = text::next_code_point(utf8, at);
    ++all;
    if (c == 0) return false;
    const bool control = (c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != 0x0C && c != 0x1B) ||
                         c == 0x7F || (c >= 0x80 && c < 0xA0 && c != 0x85);
    const bool nothing = c == text::kReplacement || (c >= 0xE000 && c <= 0xF8FF) || (c & 0xFFFEU) == 0xFFFE;
    odd += control || nothing ? 1 : 0;
  }
  return odd * 50 <= all;
}

bool decodes_to_text(const std::string& encoding, std::string_view sample) {
  const Decoded decoded = decode(encoding, sample, sample.size() * 4 + 16, false);
  return !decoded.text.empty() && looks_like_text(decoded.text);
}

// Latin text without a mark has a zero in every other byte (UTF-16) or in three of four (UTF-32).
std::optional<std::string> wide_encoding(std::string_view sample) {
  std::array<std::size_t, 4> zeros{};
  for (std::size_t i = 0; i < sample.size(); ++i) zeros[i % 4] += sample[i] == '\0' ? 1 : 0;
  const std::size_t quarter = sample.size() / 4;
  if (quarter == 0) return std::nullopt;
  const auto most = [&](std::size_t i) { return zeros[i] * 10 >= quarter * 4; };
  const auto few = [&](std::size_t i) { return zeros[i] * 20 <= quarter; };
  if (few(0) && most(2) && most(3) && most(1)) return "UTF-32LE";
  if (few(3) && most(0) && most(1) && most(2)) return "UTF-32BE";
  if (few(0) && few(2) && most(1) && most(3)) return "UTF-16LE";
  if (few(1) && few(3) && most(0) && most(2)) return "UTF-16BE";
  return std::nullopt;
}

// uchardet's names, widened to the supersets that real files use.
std::string widened(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
  if (name == "ISO-8859-1" || name == "ASCII" || name == "ISO-8859-15") return "WINDOWS-1252";
  if (name == "ISO-8859-9") return "WINDOWS-1254";
  if (name == "SHIFT_JIS") return "CP932";
  if (name == "EUC-KR" || name == "UHC") return "CP949";
  if (name == "GB2312" || name == "GBK" || name == "HZ-GB-2312") return "GB18030";
  return name;
}

std::optional<std::string> guess(std::string_view sample) {
  const std::unique_ptr<std::remove_pointer_t<uchardet_t>, void (*)(uchardet_t)> detector(uchardet_new(),
                                                                                          uchardet_delete);
  if (uchardet_handle_data(detector.get(), sample.data(), sample.size()) != 0) return std::nullopt;
  uchardet_data_end(detector.get());
  const std::string name = uchardet_get_charset(detector.get());
  if (name.empty()) return std::nullopt;
  return widened(name);
}

Decoded decode_utf8(std::string_view bytes, std::size_t most_bytes, bool last) {
  Decoded out;
  while (out.consumed < bytes.size()) {
    std::size_t ascii = out.consumed;
    const std::size_t room = out.consumed + most_bytes - out.text.size();
    while (ascii < bytes.size() && ascii < room && static_cast<unsigned char>(bytes[ascii]) < 0x80) ++ascii;
    if (ascii > out.consumed) {
      out.text += bytes.substr(out.consumed, ascii - out.consumed);
      out.consumed = ascii;
      continue;
    }
    bool cut = false;
    const std::size_t length = sequence_length(bytes, out.consumed, &cut);
    if (cut && !last) break;
    const std::size_t adds = length == 0 ? kReplacementUtf8.size() : length;
    if (out.text.size() + adds > most_bytes) break;
    out.text += length == 0 ? kReplacementUtf8 : bytes.substr(out.consumed, length);
    out.consumed += std::max<std::size_t>(length, 1);
  }
  return out;
}

struct IconvClose {
  void operator()(iconv_t handle) const { iconv_close(handle); }
};

}  // namespace

std::optional<std::string> detect_encoding(std::string_view sample) {
  for (const auto& mark : kMarks) {
    if (sample.substr(0, mark.bytes.size()) != mark.bytes) continue;
    const auto rest = sample.substr(mark.bytes.size());
    if (rest.empty() || decodes_to_text(mark.encoding, rest)) return mark.encoding;
  }
  if (sample.find('\0') != std::string_view::npos) {
    auto wide = wide_encoding(sample);
    if (wide && decodes_to_text(*wide, sample)) return wide;
    return std::nullopt;
  }
  const Utf8Count count = count_utf8(sample);
  if (count.bad == 0 || count.good > 20 * count.bad) {
    if (looks_like_text(decode_utf8(sample, sample.size() * 3, false).text)) return "UTF-8";
    if (count.bad == 0) return std::nullopt;
  }
  if (auto name = guess(sample); name && *name != "UTF-8" && decodes_to_text(*name, sample)) return name;
  if (decodes_to_text("WINDOWS-1252", sample)) return "WINDOWS-1252";
  return std::nullopt;
}

Decoded decode(const std::string& encoding, std::string_view bytes, std::size_t most_bytes, bool last) {
  if (encoding == "UTF-8") return decode_utf8(bytes, most_bytes, last);
  Decoded out;
  iconv_t raw = iconv_open("UTF-8", encoding.c_str());
  if (raw == reinterpret_cast<iconv_t>(-1)) return out;
  const std::unique_ptr<std::remove_pointer_t<iconv_t>, IconvClose> handle(raw);
  const std::size_t width = unit_width(encoding);
  out.text.resize(most_bytes);
  std::size_t written = 0;
  while (out.consumed < bytes.size()) {
    char* in = const_cast<char*>(bytes.data()) + out.consumed;  // iconv reads it only
    std::size_t in_left = bytes.size() - out.consumed;
    char* to = out.text.data() + written;
    std::size_t to_left = most_bytes - written;
    const std::size_t code = iconv(handle.get(), &in, &in_left, &to, &to_left);
    const int error = code == static_cast<std::size_t>(-1) ? errno : 0;
    out.consumed = bytes.size() - in_left;
    written = most_bytes - to_left;
    if (error == E2BIG || error == 0) break;
    if (error == EINVAL && !last) break;  // cut off at the end
    if (to_left < kReplacementUtf8.size()) break;
    kReplacementUtf8.copy(out.text.data() + written, kReplacementUtf8.size());
    written += kReplacementUtf8.size();
    out.consumed += std::min(width, bytes.size() - out.consumed);
    iconv(handle.get(), nullptr, nullptr, nullptr, nullptr);
  }
  out.text.resize(written);
  return out;
}

}  // namespace answermill::extract
