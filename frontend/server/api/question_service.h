// Questions, searches and page reads: validated, noted in the catalog, sent down the interactive chain.
//
// Thread: the loop. Errors: kInvalidArgument, kNotFound, kConflict, and what the bus says (kUnavailable,
// kTimeout …).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "frontend/server/api/question_sweep.h"
#include "frontend/server/api/services.h"
#include "frontend/server/api/stream_reader.h"
#include "frontend/server/edge/caller.h"

namespace answermill::frontend {

struct Question {
  std::string owner;  // empty: the page and the API
  std::string question;
  std::string collection;    // empty: the conversation's, else the default one
  std::string conversation;  // empty: a new one
  std::string request_id;
  std::vector<std::string> documents;
  std::string topic;                      // of the client: the new stream begins with it
  std::vector<messages::Turn> history{};  // in place of the conversation's, when there is any
  std::string instructions{};             // of the client, on form and tone
  double temperature = -1;                // negative: as configured
  std::uint32_t max_tokens = 0;           // 0: as configured
  NewQuestion::Collections collections = NewQuestion::Collections::kMustExist;
  NewQuestion::Conversations conversations = NewQuestion::Conversations::kMustExist;
  Caller caller{};  // whose collections it is kept to
};

struct Search {
  std::string query;
  std::string collection;    // empty: default
  std::uint64_t k = 0;       // 0: as configured
  double max_distance = -1;  // negative: as configured
  Caller caller{};           // whose collections it is kept to
};

struct Found {
  std::string collection;
  messages::SourcesEvent sources;
  double took_ms = 0;
};

class QuestionService {
 public:
  template <class Value>
  using Done = std::function<void(Result<Value>)>;

  explicit QuestionService(Services& services);
  // Takes up what an earlier process left.
  void start() { sweep_.start(); }
  ~QuestionService();
  QuestionService(const QuestionService&) = delete;
  QuestionService& operator=(const QuestionService&) = delete;

  // `started` comes once; its view has stream, conversation, question and collection. `refused` may come
  // later, when the bus did not take the question: the stream then has no events.
  void ask(Question question, Done<AnswerView> started, std::function<void(const Error&)> refused);

  void search(Search search, Done<Found> done);
  void read_page(const DocumentRow& document, std::uint32_t page, Done<messages::PageText> done);

  void embed(messages::EmbedTexts texts, Done<messages::EmbeddedTexts> done);

  // What the catalog has of a stream. kNotFound when it was never recorded.
  void recorded(const std::string& stream, Done<MessageRow> done);

  // Random; of this process. For clients without a connection of their own.
  const std::string& topic() const { return topic_; }

 private:
  class Pending;

  void submit(messages::Submit submission, std::function<void(const Error&)> refused);
  void request(messages::JobSpec job, Done<std::string> done);
  void finish(const std::string& stream, const Result<std::string>& result);

  Services& services_;
  std::string topic_;
  QuestionSweep sweep_;
  std::map<std::string, std::unique_ptr<Pending>> pending_;  // by stream
  Lifetime lifetime_;
};

// 1…limit code points that are not only white space. Errors: kInvalidArgument.
Status check_question(std::string_view question, std::uint64_t limit);

}  // namespace answermill::frontend
