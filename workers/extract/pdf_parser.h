// The sandboxed side of PDF reading: the only code that runs poppler.
//
// Thread: the parser process has one. Errors: those of the document go to the worker as replies; the rest
// ends it.
#pragma once

#include "workers/extract/zygote.h"

namespace answermill::extract {

// Maps `document`, says whether it opened, then answers page requests with text in physical layout.
int run_pdf_parser(int session, int document, const ParserLimits& limits);

// Loads the character conversions of the C library that poppler asks for with every text.
void load_conversions();

inline constexpr ParserProgram kPdfParser{run_pdf_parser, load_conversions};

}  // namespace answermill::extract
