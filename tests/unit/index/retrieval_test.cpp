// Retrieval quality of the whole index with the built-in embedder, on judged collections. Skips without the
// data.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tests/unit/index/index_fixture.h"
#include "workers/embed/hash_features.h"
#include "workers/index/collection.h"

namespace answermill::index {
namespace {

std::filesystem::path data_folder() {
  const char* set = std::getenv("ANSWERMILL_DATA");
  return set != nullptr ? std::filesystem::path(set)
                        : std::filesystem::path(ANSWERMILL_SOURCE_DIR) / "../shared/data";
}

void append_utf8(std::string& out, unsigned code) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xC0U | (code >> 6U)));
    out.push_back(static_cast<char>(0x80U | (code & 63U)));
  } else {
    out.push_back(static_cast<char>(0xE0U | (code >> 12U)));
    out.push_back(static_cast<char>(0x80U | ((code >> 6U) & 63U)));
    out.push_back(static_cast<char>(0x80U | (code & 63U)));
  }
}

// The string value of a key in one flat JSON object; enough for these files.
std::string field(const std::string& line, const std::string& name) {
  std::size_t at = line.find("\"" + name + "\":");
  if (at == std::string::npos) return {};
  at = line.find('"', at + name.size() + 3);
  std::string value;
  for (std::size_t i = at + 1; i < line.size() && line[i] != '"'; ++i) {
    if (line[i] != '\\') {
      value.push_back(line[i]);
    } else if (line[++i] == 'u') {
      append_utf8(value, static_cast<unsigned>(std::stoul(line.substr(i + 1, 4), nullptr, 16)));
      i += 4;
    } else {
      value.push_back(line[i] == 'n' || line[i] == 't' ? ' ' : line[i]);
    }
  }
  return value;
}

std::string embed(const std::string& text) {
  std::vector<float> vector(embed::kHashDimension);
  embed::hash_features(text, vector.data());
  std::string bytes(vector.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), vector.data(), bytes.size());
  return bytes;
}

class Judged {
 public:
  explicit Judged(const std::filesystem::path& folder) {
    auto opened = Collection::open(temporary_.path() / "c", "c");
    if (!opened) return;
    collection_ = std::move(*opened);
    std::ifstream corpus(folder / "corpus.jsonl");
    messages::IndexUpsert upsert = empty_upsert();
    for (std::string line; std::getline(corpus, line);) {
      messages::Chunk chunk;
      chunk.id = field(line, "_id");
      chunk.page = 1;
      chunk.heading = field(line, "title");
      chunk.text = field(line, "text");
      chunk.begin = next_;
      next_ += 100'000;
      chunk.end = next_;
      upsert.vectors += embed(chunk.heading.empty() ? chunk.text : chunk.heading + "\n" + chunk.text);
      upsert.chunks.push_back(std::move(chunk));
      if (upsert.chunks.size() == 200) flush(upsert);
    }
    flush(upsert);
  }

  messages::SourcesEvent search(const std::string& question, std::uint32_t k) {
    messages::IndexSearch request;
    request.search.query = question;
    request.search.k = k;
    request.model = embed::kHashModel;
    request.dimension = embed::kHashDimension;
    request.vector = embed(question);
    auto found = collection_->search(request, 1);
    EXPECT_TRUE(found);
    return found ? std::move(*found) : messages::SourcesEvent();
  }

 private:
  static messages::IndexUpsert empty_upsert() {
    messages::IndexUpsert upsert = upsert_of("d", 1, {}, 1, embed::kHashModel);
    upsert.document.name = "judged";
    upsert.dimension = embed::kHashDimension;
    return upsert;
  }
  void flush(messages::IndexUpsert& upsert) {
    const std::vector<UpsertRequest> requests{{&upsert, 1, {}}};
    EXPECT_TRUE(collection_->upsert(requests).front());
    upsert = empty_upsert();
  }

  TemporaryFolder temporary_;
  std::uint32_t next_ = 0;
  std::unique_ptr<Collection> collection_;
};

// nDCG@10 with binary gains, over every `stride`-th query.
double ndcg(const std::filesystem::path& folder, std::size_t stride) {
  std::map<std::string, std::set<std::string>> relevant;
  std::ifstream judgements(folder / "qrels.tsv");
  for (std::string line; std::getline(judgements, line);) {
    std::istringstream fields(line);
    std::string query;
    std::string document;
    int score = 0;
    if (fields >> query >> document >> score && score > 0) relevant[query].insert(document);
  }
  Judged judged(folder);
  double sum = 0;
  std::size_t count = 0;
  std::size_t number = 0;
  std::ifstream queries(folder / "queries.jsonl");
  for (std::string line; std::getline(queries, line);) {
    const auto wanted = relevant.find(field(line, "_id"));
    if (wanted == relevant.end() || number++ % stride != 0) continue;
    double gain = 0;
    double ideal = 0;
    const auto passages = judged.search(field(line, "text"), 10).passages;
    for (std::size_t i = 0; i < passages.size(); ++i) {
      if (wanted->second.contains(passages[i].chunk)) gain += 1 / std::log2(static_cast<double>(i) + 2);
    }
    for (std::size_t i = 0; i < std::min<std::size_t>(10, wanted->second.size()); ++i) {
      ideal += 1 / std::log2(static_cast<double>(i) + 2);
    }
    sum += gain / ideal;
    ++count;
  }
  return sum / static_cast<double>(count);
}

struct Expected {
  const char* set;
  std::size_t stride;
  double least;  // a little below what was measured when this was written
};

class Retrieval : public ::testing::TestWithParam<Expected> {};

TEST_P(Retrieval, ReachesItsFigure) {
  const auto folder = data_folder() / "judged" / GetParam().set;
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no judged collection at " << folder;
  const double reached = ndcg(folder, GetParam().stride);
  std::printf("nDCG@10 %s %.4f\n", GetParam().set, reached);
  EXPECT_GE(reached, GetParam().least);
}

INSTANTIATE_TEST_SUITE_P(Judged, Retrieval,
                         ::testing::Values(Expected{"cranfield", 1, 0.38}, Expected{"medline", 1, 0.72},
                                           Expected{"time", 1, 0.67}, Expected{"xquad-de", 8, 0.94},
                                           Expected{"xquad-zh", 8, 0.95}, Expected{"xquad-ar", 8, 0.86},
                                           Expected{"tydiqa-id", 4, 0.86}),
                         [](const auto& info) {
                           std::string name = info.param.set;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(RetrievalDistance, TellsForeignQuestionsFromOwn) {
  const auto folder = data_folder() / "judged" / "cranfield";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no judged collection at " << folder;
  Judged judged(folder);
  for (const char* question : {"Who wrote Hamlet and Macbeth?", "How do I bake sourdough bread at home?",
                               "When did Napoleon invade Russia?"}) {
    for (const auto& passage : judged.search(question, 3).passages)
      EXPECT_GT(passage.distance, 0.9) << question;
  }
  for (const char* question : {"boundary layer transition on a flat plate in supersonic flow",
                               "what is the effect of slip on hypersonic heat transfer"}) {
    ASSERT_FALSE(judged.search(question, 1).passages.empty());
    EXPECT_GT(judged.search(question, 1).passages.front().score, 0.7) << question;
  }
}

}  // namespace
}  // namespace answermill::index
