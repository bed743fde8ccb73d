// Guesses the language of a text from its commonest words, and knows which words carry no meaning of their
// own.
//
// Languages are named as Snowball names them ("english", "german"): those we can stem.
// Thread: pure functions.
#pragma once

#include <string_view>

namespace answermill::index {

inline constexpr std::string_view kDefaultLanguage = "english";

// kDefaultLanguage when nothing speaks clearly for another one. Reads at most the first 4,000 bytes.
std::string_view guess_language(std::string_view text);

// `word` in lower case. True for articles, pronouns, question words and the like, in any language we know
// that is `language` or English (questions are often asked in English of documents in another language).
bool is_stop_word(std::string_view word, std::string_view language);

}  // namespace answermill::index
