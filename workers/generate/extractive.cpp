// How quotes are chosen
//
// Every passage is cut into pieces (sentences, table lines). A piece scores by how much of the question's
// weight its own words cover, and less by what its heading and its passage cover (a table line says "Net
// sales 34,229", the year is in the table's head), by the kind of answer asked for (a number for "how much"),
// and by the rank the search gave the passage. The words' weights come from how rare they are in all pieces.
// Pieces that say the same are shown once.
#include "workers/generate/extractive.h"

#include <algorithm>
#include <array>

#include "shared/text/words.h"
#include "workers/generate/evidence.h"
#include "workers/generate/relevance.h"
#include "workers/generate/sentences.h"

namespace answermill::generate {
namespace {

using messages::Passage;

constexpr std::size_t kMaxQuotes = 4;
constexpr std::size_t kMaxQuotedBytes = 1800;

struct Candidate {
  Quote quote;
  Terms terms;
  bool tabular = false;
  bool cut_off = false;
  double coverage = 0;
  double score = 0;
};

// The question before, when this one says too little by itself.
std::string_view context_of(const messages::AnswerRequest& request) {
  constexpr std::size_t kEnoughWords = 4;
  if (Terms(request.question).counts().size() >= kEnoughWords) return {};
  for (auto turn = request.history.rbegin(); turn != request.history.rend(); ++turn) {
    if (turn->role == "user") return turn->text;
  }
  return {};
}

bool has_date(std::string_view text) {
  constexpr std::array<std::string_view, 14> kMonths = {
      "january",   "february", "march",    "april",    "june",   "july",    "august",
      "september", "october",  "november", "december", "januar", "februar", "dezember"};
  for (const text::Word& word : text::words_of(text)) {
    const bool year = word.kind == text::WordKind::kNumber && word.folded.size() == 4 &&
                      (word.folded[0] == '1' || word.folded[0] == '2');
    if (year || std::find(kMonths.begin(), kMonths.end(), word.folded) != kMonths.end()) return true;
  }
  return false;
}

// Two neighbouring words with capitals, the sentence's first one aside.
bool has_name(std::string_view text) {
  bool capital_before = false;
  bool first = true;
  for (const text::Word& word : text::words_of(text)) {
    const char c = text[word.begin];
    const bool capital = c >= 'A' && c <= 'Z' && !first;
    if (capital && capital_before) return true;
    capital_before = capital;
    first = false;
  }
  return false;
}

// A piece of a sentence: it begins in the middle (a passage, or a line full of figures, cut it there), or the
// passage ended before it did.
bool is_cut_off(const Candidate& candidate, const Passage& passage) {
  const std::string_view text = passage.text;
  const char first = text[candidate.quote.begin];
  if (first >= 'a' && first <= 'z') return true;
  if (candidate.tabular) return false;
  const char last = text[candidate.quote.end - 1];
  const bool runs_on = (last >= 'a' && last <= 'z') || last == ',' || last == '-';
  return text.find_last_not_of(" \t\n") == candidate.quote.end - 1 && runs_on;
}

double shape_bonus(std::string_view text, const Candidate& candidate, const AnswerCues& cues) {
  double bonus = 0;
  if (cues.number) bonus += candidate.terms.has_number() ? 0.12 : -0.08;
  if (cues.date) bonus += has_date(text) ? 0.12 : -0.05;
  if (cues.name) bonus += has_name(text) ? 0.08 : -0.03;
  const std::size_t words = candidate.terms.words();
  const bool sentence =
      !text.empty() && (text.back() == '.' || static_cast<unsigned char>(text.back()) >= 0x80);
  if (!candidate.tabular && words < 8 && !sentence) bonus -= 0.2;  // headings and scraps
  if (words < 3) bonus -= 0.15;
  if (words > 40) bonus -= 0.05;  // long pieces share words by chance
  if (words > 70) bonus -= 0.05;
  // A question, or a sentence that only leads to what follows it.
  if (!text.empty() && std::string_view("?:,").find(text.back()) != std::string_view::npos) bonus -= 0.15;
  return bonus;
}

std::vector<Candidate> candidates_of(const std::vector<Passage>& passages) {
  std::vector<Candidate> candidates;
  for (std::size_t p = 0; p < passages.size(); ++p) {
    const std::string& text = passages[p].text;
    for (const Piece& piece : split_pieces(text)) {
      Candidate candidate{{p, piece.begin, piece.end},
                          Terms(std::string_view(text).substr(piece.begin, piece.end - piece.begin))};
      candidate.tabular = piece.tabular;
      candidates.push_back(std::move(candidate));
    }
  }
  return candidates;
}

void score_all(std::vector<Candidate>& candidates, Query& query, const AnswerCues& cues,
               const std::vector<Passage>& passages) {
  std::vector<Terms> pieces;
  for (const Candidate& candidate : candidates) pieces.push_back(candidate.terms);
  query.weigh_by(pieces);
  std::vector<Terms> names;
  for (const Passage& passage : passages) names.emplace_back(passage.document_name);
  query.fade(names);
  std::vector<double> around;  // what the passage covers, heading and document name included
  for (const Passage& passage : passages) {
    around.push_back(
        query.coverage(Terms(passage.document_name + "\n" + passage.heading + "\n" + passage.text)));
  }
  for (Candidate& candidate : candidates) {
    const std::size_t p = candidate.quote.passage;
    const std::string_view text =
        std::string_view(passages[p].text)
            .substr(candidate.quote.begin, candidate.quote.end - candidate.quote.begin);
    candidate.cut_off = is_cut_off(candidate, passages[p]);
    candidate.coverage = query.coverage(candidate.terms);
    candidate.score = candidate.coverage + 0.35 * around[p] +
                      0.1 * query.coverage(Terms(passages[p].heading)) +
                      0.12 / (1.0 + static_cast<double>(p)) + shape_bonus(text, candidate, cues) -
                      (candidate.cut_off ? 0.15 : 0);
  }
}

// Something of the question must be in the piece itself. Long questions hold many words that no answer
// repeats.
bool is_relevant(const Candidate& candidate, std::size_t query_words) {
  const double bar = std::clamp(1.2 / static_cast<double>(query_words), 0.15, 0.3);
  return candidate.coverage >= bar || (candidate.coverage >= 0.12 && candidate.score >= 0.42);
}

// Whole, and nearly as good as the best. A wrong quote costs more trust than a missing one.
bool is_worth_showing(const Candidate& candidate, const Candidate& best) {
  return !candidate.cut_off && candidate.score >= best.score * 0.78 &&
         candidate.coverage >= best.coverage * 0.6;
}

// Half a sentence comes first only when no whole one says nearly as much. `candidates`: the best first.
void put_whole_one_first(std::vector<Candidate>& candidates) {
  if (!candidates.front().cut_off) return;
  const auto whole = std::find_if(candidates.begin(), candidates.end(), [&](const Candidate& candidate) {
    return is_worth_showing(candidate, candidates.front());
  });
  if (whole != candidates.end()) std::rotate(candidates.begin(), whole, whole + 1);
}

bool repeats(const Candidate& candidate, const std::vector<Candidate>& chosen) {
  constexpr double kSame = 0.7;
  return std::any_of(chosen.begin(), chosen.end(), [&](const Candidate& other) {
    const bool overlaps = other.quote.passage == candidate.quote.passage &&
                          other.quote.begin < candidate.quote.end && candidate.quote.begin < other.quote.end;
    return overlaps || candidate.terms.similarity(other.terms) >= kSame;
  });
}

}  // namespace

std::vector<Quote> choose_quotes(const messages::AnswerRequest& request,
                                 const std::vector<Passage>& passages) {
  Query query(request.question, context_of(request));
  std::vector<Candidate> candidates = candidates_of(passages);
  if (query.empty() || candidates.empty()) return {};
  score_all(candidates, query, cues_of(request.question), passages);
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  put_whole_one_first(candidates);
  std::vector<Candidate> chosen;
  std::size_t bytes = 0;
  for (const Candidate& candidate : candidates) {
    if (chosen.size() == kMaxQuotes) break;
    const std::size_t size = candidate.quote.end - candidate.quote.begin;
    if (!is_relevant(candidate, query.size()) || repeats(candidate, chosen)) continue;
    if (!chosen.empty() && (!is_worth_showing(candidate, chosen.front()) || bytes + size > kMaxQuotedBytes))
      continue;
    chosen.push_back(candidate);
    bytes += size;
  }
  std::vector<Quote> quotes;
  for (const Candidate& candidate : chosen) quotes.push_back(candidate.quote);
  return quotes;
}

std::string nothing_found_text(const messages::Coverage& coverage) {
  if (coverage.pages == 0) return "Nothing was found: there are no searchable pages here yet.";
  const std::string pages = std::to_string(coverage.pages);
  const std::string noun = coverage.pages == 1 ? " page" : " pages";
  if (coverage.total_pages > coverage.pages) {
    return "Nothing about this was found in the " + pages + " of " + std::to_string(coverage.total_pages) +
           " pages that are searchable so far.";
  }
  return "Nothing about this was found in the " + pages + noun + " searched.";
}

QuotedAnswer quote_answer(const messages::GenerateAnswer& work) {
  const std::vector<Passage>& passages = work.sources.passages;
  const std::vector<Quote> quotes = choose_quotes(work.request, passages);
  if (quotes.empty()) return {"nothing_found", {{nothing_found_text(work.sources.coverage), std::nullopt}}};
  QuotedAnswer answer{"quoting", {{kQuotingPreface, std::nullopt}}};
  std::uint64_t length = answer.steps.front().text.size();
  for (std::size_t i = 0; i < quotes.size(); ++i) {
    const Quote& quote = quotes[i];
    const Passage& passage = passages[quote.passage];
    const std::string mark = "[" + std::to_string(passage.number) + "]";
    AnswerStep step;
    step.text =
        (i == 0 ? "" : "\n\n") + passage.text.substr(quote.begin, quote.end - quote.begin) + " " + mark;
    length += step.text.size();
    step.citation = cite(passage, {quote.begin, quote.end, true}, length - mark.size(), length);
    answer.steps.push_back(std::move(step));
  }
  return answer;
}

}  // namespace answermill::generate
