#include <xapian.h>

#include <algorithm>
#include <cmath>

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
  struct Wanted {
    const std::string* term;
    std::size_t word;
  };
  std::vector<Wanted> wanted;
  for (std::size_t i = 0; i < words.size(); ++i) {
    for (const std::string& term : words[i].terms) wanted.push_back({&term, i});
  }
  std::sort(wanted.begin(), wanted.end(), [](const Wanted& a, const Wanted& b) { return *a.term < *b.term; });
  return impl_->retry([&] {
    const double average = std::max(1.0, impl_->database.get_avlength());
    std::vector<WordMatch> matches;
    for (const std::int64_t key : keys) {
      WordMatch match{key, 0, std::vector<bool>(words.size(), false)};
      std::vector<double> best(words.size(), 0);
      try {
        const auto id = static_cast<Xapian::docid>(key);
        const double length = impl_->database.get_doclength(id) / average;
        auto at = impl_->database.termlist_begin(id);
        const auto end = impl_->database.termlist_end(id);
        for (const Wanted& want : wanted) {
          if (at != end) at.skip_to(*want.term);
          if (at == end) break;
          if (*at != *want.term) continue;
          const double count = at.get_wdf();
          match.present[want.word] = true;
          best[want.word] =
              std::max(best[want.word], (kK1 + 1) * count / (kK1 * (1 - kB + kB * length) + count));
        }
      } catch (const Xapian::DocNotFoundError&) {
        // Removed meanwhile, or not yet committed here: it matches no word.
      }
      for (std::size_t i = 0; i < words.size(); ++i) match.score += words[i].weight * rarity[i] * best[i];
      matches.push_back(std::move(match));
    }
    return matches;
  });
}

}  // namespace answermill::index
