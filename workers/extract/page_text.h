// Turns what a parser or decoder gives for a page into the text the whole system quotes from.
//
// Characters: controls, soft hyphens, byte order marks, zero-width and bidirectional marks go; Latin
// ligatures are spelled out; every kind of space is a space; ill-formed bytes are U+FFFD. Lines end in '\n',
// at most one blank line stands in a row, nothing starts or ends with white space. Thread: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace answermill::extract {

// A page in poppler's physical layout: columns of prose are put one after the other, a table row stays one
// line with two spaces between its cells, words hyphenated at a line's end are joined.
std::string normalise_pdf_page(std::string_view utf8);

// A page of a text file: indentation stays (it means something in code and lists).
std::string normalise_text_page(std::string_view utf8);

// The longest page text kept: more is cut at a character (only bombs are that long).
inline constexpr std::size_t kMaxPageBytes = 128U << 10U;

}  // namespace answermill::extract
