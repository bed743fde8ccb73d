#include <xapian.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "workers/index/word_index.h"

namespace answermill::index {
namespace {

constexpr double kK1 = 1.2;
constexpr double kB = 0.6;

Error error_of(const Xapian::Error& error) {
  const std::string_view type = error.get_type();
  const bool damaged =
      type == "DatabaseCorruptError" || type == "DatabaseOpeningError" || type == "SerialisationError";
  return {damaged ? ErrorCode::kDamaged : ErrorCode::kInternal,
          "a search for words failed: " + error.get_msg()};
}

Xapian::Query query_of(std::span<const QueryWord> words) {
  std::vector<Xapian::Query> parts;
  for (const QueryWord& word : words) {
    std::vector<Xapian::Query> terms(word.terms.begin(), word.terms.end());
    Xapian::Query any =
        terms.size() == 1 ? terms.front() : Xapian::Query(Xapian::Query::OP_MAX, terms.begin(), terms.end());
    parts.push_back(word.weight == 1 ? any : Xapian::Query(Xapian::Query::OP_SCALE_WEIGHT, any, word.weight));
  }
  return {Xapian::Query::OP_OR, parts.begin(), parts.end()};
}

struct Wanted {
  const std::string* term;
  std::size_t word;
};

// How often each wanted term (sorted) stands in each document: rows of `keys`, columns of `wanted`. There are
// two ways to the same numbers. A document's list of terms is one lookup, but compressed, and all of it is
// unpacked; a term's list of documents is plain, but long in a large collection.
std::vector<Xapian::termcount> counts_by_document(const Xapian::Database& database,
                                                  std::span<const Wanted> wanted,
                                                  std::span<const std::int64_t> keys) {
  std::vector<Xapian::termcount> counts(keys.size() * wanted.size(), 0);
  for (std::size_t k = 0; k < keys.size(); ++k) {
    try {
      const auto id = static_cast<Xapian::docid>(keys[k]);
      auto at = database.termlist_begin(id);
      const auto end = database.termlist_end(id);
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (at != end) at.skip_to(*wanted[i].term);
        if (at == end) break;
        if (*at == *wanted[i].term) counts[k * wanted.size() + i] = at.get_wdf();
      }
    } catch (const Xapian::DocNotFoundError&) {
      // Removed meanwhile, or not yet committed here: it matches no word.
    }
  }
  return counts;
}

std::vector<Xapian::termcount> counts_by_term(const Xapian::Database& database,
                                              std::span<const Wanted> wanted,
                                              std::span<const std::int64_t> keys) {
  std::vector<Xapian::termcount> counts(keys.size() * wanted.size(), 0);
  std::vector<std::size_t> order(keys.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return keys[a] < keys[b]; });
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    auto at = database.postlist_begin(*wanted[i].term);
    const auto end = database.postlist_end(*wanted[i].term);
    for (const std::size_t k : order) {
      const auto id = static_cast<Xapian::docid>(keys[k]);
      if (at != end) at.skip_to(id);
      if (at == end) break;
      if (*at == id) counts[k * wanted.size() + i] = at.get_wdf();
    }
  }
  return counts;
}

// A list of documents comes in blocks; passing one costs about as much as unpacking a list of terms.
bool lists_are_short(const Xapian::Database& database, std::span<const Wanted> wanted,
                     std::span<const std::int64_t> keys) {
  constexpr std::size_t kDocumentsInBlock = 700;
  std::size_t blocks = 0;
  for (const Wanted& want : wanted) {
    blocks += std::min(keys.size(), database.get_termfreq(*want.term) / kDocumentsInBlock + 1);
  }
  return blocks <= keys.size();
}

}  // namespace

struct WordReader::Impl {
  Xapian::Database database;

  // A reader two commits behind the writer has to look again; the callers' work is repeated from its start.
  template <class Work>
  auto retry(Work work) -> Result<decltype(work())> {
    constexpr int kAttempts = 8;
    for (int attempt = 1;; ++attempt) {
      try {
        return work();
      } catch (const Xapian::DatabaseModifiedError& error) {
        if (attempt == kAttempts) return error_of(error);
        try {
          database.reopen();
        } catch (const Xapian::Error& again) {
          return error_of(again);
        }
      } catch (const Xapian::Error& error) {
        return error_of(error);
      }
    }
  }
};

WordReader::WordReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WordReader::~WordReader() = default;
WordReader::WordReader(WordReader&&) noexcept = default;
WordReader& WordReader::operator=(WordReader&&) noexcept = default;

Result<WordReader> WordReader::open(const std::filesystem::path& folder) {
  try {
    auto impl = std::make_unique<Impl>();
    impl->database = Xapian::Database(folder.string());
    return WordReader(std::move(impl));
  } catch (const Xapian::Error& error) {
    return error_of(error);
  }
}

Status WordReader::refresh() {
  try {
    impl_->database.reopen();
    return {};
  } catch (const Xapian::Error& error) {
    return error_of(error);
  }
}

Result<std::vector<double>> WordReader::rarity(std::span<const QueryWord> words) {
  return impl_->retry([&] {
    std::vector<double> rarity;
    const double documents = impl_->database.get_doccount();
    for (const QueryWord& word : words) {
      double frequency = 0;
      for (const std::string& term : word.terms) {
        frequency = std::max<double>(frequency, impl_->database.get_termfreq(term));
      }
      rarity.push_back(std::log(1 + (documents - frequency + 0.5) / (frequency + 0.5)));
    }
    return rarity;
  });
}

Result<std::vector<std::int64_t>> WordReader::search(std::span<const QueryWord> words, std::size_t limit,
                                                     const std::unordered_set<std::int64_t>* documents) {
  if (words.empty()) return std::vector<std::int64_t>();
  return impl_->retry([&] {
    Xapian::Enquire enquire(impl_->database);
    enquire.set_weighting_scheme(Xapian::BM25Weight(kK1, 0, 1, kB, 0.2));
    Xapian::Query query = query_of(words);
    if (documents != nullptr) {
      std::vector<Xapian::Query> any;
      for (const std::int64_t number : *documents) any.emplace_back("Q" + std::to_string(number));
      query = {Xapian::Query::OP_FILTER, query, Xapian::Query(Xapian::Query::OP_OR, any.begin(), any.end())};
    }
    enquire.set_query(query);
    const Xapian::MSet found = enquire.get_mset(0, static_cast<Xapian::doccount>(limit));
    std::vector<std::int64_t> keys;
    for (auto hit = found.begin(); hit != found.end(); ++hit) keys.push_back(*hit);
    return keys;
  });
}

Result<std::vector<WordMatch>> WordReader::match(std::span<const QueryWord> words,
                                                 std::span<const double> rarity,
                                                 std::span<const std::int64_t> keys) {
  std::vector<Wanted> wanted;
  for (std::size_t i = 0; i < words.size(); ++i) {
    for (const std::string& term : words[i].terms) wanted.push_back({&term, i});
  }
  std::sort(wanted.begin(), wanted.end(), [](const Wanted& a, const Wanted& b) { return *a.term < *b.term; });
  return impl_->retry([&] {
    const Xapian::Database& database = impl_->database;
    const double average = std::max(1.0, database.get_avlength());
    const std::vector<Xapian::termcount> counts = lists_are_short(database, wanted, keys)
                                                      ? counts_by_term(database, wanted, keys)
                                                      : counts_by_document(database, wanted, keys);
    std::vector<WordMatch> matches;
    for (std::size_t k = 0; k < keys.size(); ++k) {
      WordMatch match{keys[k], 0, std::vector<bool>(words.size(), false)};
      std::vector<double> best(words.size(), 0);
      double length = -1;
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        const double count = counts[k * wanted.size() + i];
        if (count == 0) continue;
        if (length < 0) length = database.get_doclength(static_cast<Xapian::docid>(keys[k])) / average;
        const std::size_t word = wanted[i].word;
        match.present[word] = true;
        best[word] = std::max(best[word], (kK1 + 1) * count / (kK1 * (1 - kB + kB * length) + count));
      }
      for (std::size_t i = 0; i < words.size(); ++i) match.score += words[i].weight * rarity[i] * best[i];
      matches.push_back(std::move(match));
    }
    return matches;
  });
}

}  // namespace answermill::index
