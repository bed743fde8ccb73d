#include "workers/extract/document_type.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "workers/extract/encoding.h"

namespace answermill::extract {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kPdfHeaderWithin = 1024;

struct Magic {
  std::size_t at;
  std::string_view bytes;
  std::string_view what;
};

constexpr std::array kMagics{
    Magic{0, "\x89PNG\r\n\x1A\n"sv, "a PNG image"},
    Magic{0, "\xFF\xD8\xFF"sv, "a JPEG image"},
    Magic{0, "GIF8"sv, "a GIF image"},
    Magic{0, "II*\0"sv, "a TIFF image"},
    Magic{0, "MM\0*"sv, "a TIFF image"},
    Magic{8, "WEBP"sv, "a WebP image"},
    Magic{4, "ftyp"sv, "an MP4 or HEIF media file"},
    Magic{0, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"sv,
          "an old Microsoft Office document (.doc, .xls, .ppt or .msg)"},
    Magic{0, "{\\rtf"sv, "a Rich Text document (.rtf)"},
    Magic{0, "%!PS"sv, "a PostScript document"},
    Magic{0, "\x1F\x8B"sv, "a gzip archive"},
    Magic{0, "BZh"sv, "a bzip2 archive"},
    Magic{0,
          "\xFD"
          "7zXZ\0"sv,
          "an xz archive"},
    Magic{0, "\x28\xB5\x2F\xFD"sv, "a Zstandard archive"},
    Magic{0, "7z\xBC\xAF\x27\x1C"sv, "a 7-Zip archive"},
    Magic{0, "Rar!\x1A\x07"sv, "a RAR archive"},
    Magic{257, "ustar"sv, "a tar archive"},
    Magic{0,
          "\x7F"
          "ELF"sv,
          "a program"},
    Magic{0, "MZ\x90\0"sv, "a program"},
    Magic{0, "SQLite format 3\0"sv, "an SQLite database"},
    Magic{0, "ID3"sv, "an MP3 recording"},
    Magic{0, "OggS"sv, "an Ogg recording"},
    Magic{0, "fLaC"sv, "a FLAC recording"},
    Magic{0, "\x1A\x45\xDF\xA3"sv, "a Matroska video"},
    Magic{8, "WAVE"sv, "a WAV recording"},
    Magic{0, "AT&TFORM"sv, "a DjVu document"},
};

// Office documents are ZIP archives; the names of their first entries tell which.
std::string_view zip_kind(std::string_view head) {
  const auto has = [&](std::string_view name) { return head.find(name) != std::string_view::npos; };
  if (has("word/")) return "a Microsoft Word document (.docx)";
  if (has("xl/")) return "a Microsoft Excel workbook (.xlsx)";
  if (has("ppt/")) return "a Microsoft PowerPoint presentation (.pptx)";
  if (has("mimetypeapplication/epub")) return "an EPUB book";
  if (has("mimetypeapplication/vnd.oasis.opendocument.text")) return "an OpenDocument text (.odt)";
  if (has("mimetypeapplication/vnd.oasis.opendocument.spreadsheet"))
    return "an OpenDocument spreadsheet (.ods)";
  if (has("mimetypeapplication/vnd.oasis.opendocument")) return "an OpenDocument file";
  if (has("[Content_Types].xml")) return "a Microsoft Office document";
  return "a ZIP archive";
}

std::string_view kind_of(std::string_view head) {
  if (head.substr(0, 4) == "PK\x03\x04"sv || head.substr(0, 4) == "PK\x05\x06"sv) return zip_kind(head);
  for (const auto& magic : kMagics) {
    if (head.size() >= magic.at + magic.bytes.size() &&
        head.substr(magic.at, magic.bytes.size()) == magic.bytes) {
      return magic.what;
    }
  }
  const bool zeros = head.size() >= 1024 && head.find_first_not_of('\0') == std::string_view::npos;
  return zeros ? "a file of zero bytes" : "binary data";
}

Error unsupported(std::string_view what, std::string_view name) {
  std::string_view extension = name;
  extension.remove_prefix(std::min(name.rfind('.'), name.size()));
  const bool named_pdf = extension == ".pdf" || extension == ".PDF";
  return {
      ErrorCode::kUnsupported,
      fmt::format("This seems to be {}{}, which cannot be read; supported are PDF, plain text and Markdown.",
                  what, named_pdf ? " named .pdf" : "")};
}

bool is_markdown_name(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const std::string_view extension : {".md"sv, ".markdown"sv, ".mdown"sv, ".mkd"sv}) {
    if (lower.size() > extension.size() && lower.ends_with(extension)) return true;
  }
  return false;
}

}  // namespace

Result<DocumentType> sniff(std::string_view head, std::string_view name) {
  if (head.empty()) return Error{ErrorCode::kEmptyFile, "The file is empty: it has no bytes at all."};
  if (head.substr(0, kPdfHeaderWithin).find("%PDF-") != std::string_view::npos)
    return DocumentType{kFormatPdf};
  const std::string_view kind = kind_of(head);
  if (kind != "binary data") return unsupported(kind, name);
  if (!detect_encoding(head)) return unsupported(kind, name);
  return DocumentType{is_markdown_name(name) ? kFormatMarkdown : kFormatText};
}

}  // namespace answermill::extract
