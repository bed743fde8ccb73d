#include "frontend/server/api/question_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "frontend/server/api/access.h"
#include "shared/base/ids.h"
#include "shared/messages/codec.h"
#include "shared/messages/questions.h"
#include "shared/text/utf8.h"

namespace answermill::frontend {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kAnswerDeadlineMs = 600'000;
constexpr std::int64_t kRequestDeadlineMs = 30'000;
constexpr auto kRequestPatience = 31s;  // a little longer, so that the bus can tell why
constexpr std::uint64_t kMaxHits = 100;
constexpr std::size_t kMaxPendingRequests = 1000;

messages::JobSpec interactive_job(std::string stage, std::string op, std::string payload,
                                  const std::string& stream, std::int64_t deadline_ms) {
  messages::JobSpec job;
  job.stage = std::move(stage);
  job.op = std::move(op);
  job.tenant = kTenant;
  job.request_id = stream;
  job.stream = stream;
  job.priority = messages::Priority::kInteractive;
  job.durability = messages::Durability::kRelaxed;
  job.deadline_ms = deadline_ms;
  job.payload = std::move(payload);
  return job;
}

messages::Submit submission_of(const StartedQuestion& started, const ws_stream::Settings& settings,
                               const Question& question, std::int64_t now_ms) {
  messages::SearchRequest search;
  search.collection = started.collection;
  search.query = started.question;
  search.k = settings.top_k;
  search.max_distance = settings.distance_threshold;
  search.documents = question.documents;
  search.answer = messages::AnswerRequest{};
  search.answer->question = started.question;
  search.answer->history = question.history.empty() ? started.history : latest_turns(question.history);
  search.answer->temperature = question.temperature;
  search.answer->max_tokens = question.max_tokens;
  search.answer->conversation = started.conversation;
  search.answer->instructions = question.instructions;

  messages::Submit submission;
  submission.job =
      interactive_job("embed", "query", messages::encode(messages::EmbedQuery{std::move(search)}),
                      started.stream, kAnswerDeadlineMs);
  messages::JobSpec completion;
  completion.stage = "record";
  completion.op = "answer";
  completion.tenant = kTenant;
  completion.request_id = started.stream + "-record";
  completion.priority = messages::Priority::kNormal;
  completion.durability = messages::Durability::kStrict;
  completion.payload = messages::encode(messages::RecordAnswer{started.conversation, started.collection,
                                                               started.question, started.stream, now_ms});
  submission.stream = messages::StreamSpec{started.stream, std::move(completion)};
  return submission;
}

}  // namespace

Status check_question(std::string_view question, std::uint64_t limit) {
  if (!text::is_valid_utf8(question))
    return Error{ErrorCode::kInvalidArgument, "A question is text in UTF-8."};
  if (question.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return Error{ErrorCode::kInvalidArgument, "The question is empty."};
  }
  if (text::count_code_points(question) > limit) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("A question has at most {} characters.", limit)};
  }
  return {};
}

// A question whose answer is one value: it collects the result and the terminal event of its stream.
class QuestionService::Pending {
 public:
  Pending(QuestionService& owner, std::string stream, Done<std::string> done)
      : owner_(owner),
        stream_(std::move(stream)),
        done_(std::move(done)),
        reader_(owner.services_.loop, owner.services_.hub, stream_, 0, [this] { pump(); }),
        timeout_(owner.services_.loop.after(kRequestPatience, [this] {
          owner_.finish(stream_, Error{ErrorCode::kTimeout, "The index did not answer in time."});
        })) {}

  Done<std::string> take_done() { return std::move(done_); }

 private:
  void pump() {
    bool ended = false;
    Result<std::string> result = Error{ErrorCode::kInternal, "The index gave no result."};
    reader_.pump([] { return true; },
                 [&](const messages::StreamEvent& event) {
                   if (event.kind == messages::StreamEventKind::kResult) data_ = event.data;
                   if (event.kind != messages::StreamEventKind::kTerminal) return;
                   ended = true;
                   const auto terminal = messages::decode<messages::TerminalEvent>(event.data);
                   if (terminal && terminal->outcome != messages::Terminal::kDone) {
                     const auto code =
                         terminal->code == ErrorCode::kOk ? ErrorCode::kInternal : terminal->code;
                     result = Error{
                         code, terminal->message.empty() ? "The index could not answer." : terminal->message};
                   } else if (data_) {
                     result = std::move(*data_);
                   }
                 });
    if (ended) owner_.finish(stream_, result);
  }

  QuestionService& owner_;
  std::string stream_;
  Done<std::string> done_;
  std::optional<std::string> data_;
  StreamReader reader_;
  std::unique_ptr<Timer> timeout_;
};

QuestionService::QuestionService(Services& services)
    : services_(services), topic_(random_id()), sweep_(services) {}
QuestionService::~QuestionService() = default;

void QuestionService::ask(Question question, Done<AnswerView> started,
                          std::function<void(const Error&)> refused) {
  if (auto checked = check_question(question.question, services_.facts.question_characters); !checked) {
    return started(checked.error());
  }
  // In a conversation it is the conversation's collection that counts.
  if (question.conversation.empty() || question.conversations == NewQuestion::Conversations::kMake) {
    question.collection = question.caller.collection_or_own(std::move(question.collection));
  }
  NewQuestion row{question.owner,           question.question,
                  question.collection,      question.conversation,
                  question.request_id,      new_stream_id(question.topic.empty() ? topic_ : question.topic),
                  services_.loop.unix_ms(), question.collections,
                  question.conversations,   question.caller.collections()};
  const auto make = [settings = services_.settings, question = std::move(question),
                     now_ms = row.now_ms](const StartedQuestion& noted) {
    return submission_of(noted, settings, question, now_ms);
  };
  services_.catalog.run(
      [row = std::move(row), make](Catalog& catalog) {
        return catalog.begin_question(
            row, [&make](const StartedQuestion& noted) { return messages::encode(make(noted)); });
      },
      lifetime_.guard([this, make, started = std::move(started),
                       refused = std::move(refused)](const Result<StartedQuestion>& noted) {
        if (!noted) return started(noted.error());
        // The hub knows the stream before anybody can attach to it.
        if (!noted->repeated) submit(make(*noted), refused);
        AnswerView view;
        view.stream = noted->stream;
        view.conversation = noted->conversation;
        view.question = noted->question;
        view.collection = noted->collection;
        started(std::move(view));
      }));
}

void QuestionService::submit(messages::Submit submission, std::function<void(const Error&)> refused) {
  const std::string stream = submission.job.stream;
  services_.hub.ask(std::move(submission), lifetime_.guard([this, stream, refused = std::move(refused)](
                                                               const messages::SubmitAck& ack) {
    if (ack.code == ErrorCode::kOk) return;
    const Error error{ack.code, ack.message.empty() ? "The question was not taken." : ack.message,
                      std::chrono::milliseconds(ack.retry_after_ms)};
    services_.catalog.run([stream, error](Catalog& catalog) { return catalog.refuse_answer(stream, error); },
                          [](const Status&) {});
    refused(error);
  }));
}

void QuestionService::request(messages::JobSpec job, Done<std::string> done) {
  if (pending_.size() >= kMaxPendingRequests) {
    return done(Error{ErrorCode::kBusy, "Too many searches are waiting: try again in a moment."});
  }
  const std::string stream = job.stream;
  messages::Submit submission;
  submission.job = std::move(job);
  submission.stream = messages::StreamSpec{stream, {}};
  services_.hub.ask(std::move(submission), lifetime_.guard([this, stream](const messages::SubmitAck& ack) {
    if (ack.code != ErrorCode::kOk)
      finish(stream, Error{ack.code, ack.message, std::chrono::milliseconds(ack.retry_after_ms)});
  }));
  pending_.emplace(stream, std::make_unique<Pending>(*this, stream, std::move(done)));
}

void QuestionService::finish(const std::string& stream, const Result<std::string>& result) {
  auto node = pending_.extract(stream);
  if (node.empty()) return;
  const auto done = node.mapped()->take_done();
  // Whoever called is inside the request that ends here: let go of it on a fresh turn.
  services_.loop.post([gone = std::shared_ptr<Pending>(std::move(node.mapped()))] {});
  done(result);
}

void QuestionService::search(Search search, Done<Found> done) {
  if (auto checked = check_question(search.query, services_.facts.question_characters); !checked) {
    return done(checked.error());
  }
  if (search.k > kMaxHits) {
    return done(Error{ErrorCode::kInvalidArgument, fmt::format("k is at most {}.", kMaxHits)});
  }
  auto collection = collection_for(search.caller, std::move(search.collection));
  if (!collection) return done(collection.error());
  search.collection = collection->empty() ? kDefaultCollection : std::move(*collection);
  const auto begin = services_.loop.now();
  services_.catalog.run(
      [name = search.collection](Catalog& catalog) { return catalog.collection(name); },
      lifetime_.guard([this, search, begin, done = std::move(done)](const Result<CollectionRow>& known) {
        if (!known) return done(known.error());
        messages::SearchRequest request_payload;
        request_payload.collection = search.collection;
        request_payload.query = search.query;
        request_payload.k = search.k == 0 ? services_.settings.top_k : static_cast<std::uint32_t>(search.k);
        request_payload.max_distance =
            search.max_distance < 0 ? services_.settings.distance_threshold : search.max_distance;
        auto job = interactive_job("embed", "query",
                                   messages::encode(messages::EmbedQuery{std::move(request_payload)}),
                                   new_stream_id(topic_), kRequestDeadlineMs);
        request(std::move(job), [this, search, begin, done](const Result<std::string>& data) {
          if (!data) return done(data.error());
          auto sources = messages::decode<messages::SourcesEvent>(*data);
          if (!sources) return done(sources.error());
          const std::chrono::duration<double, std::milli> took = services_.loop.now() - begin;
          done(Found{search.collection, std::move(*sources), took.count()});
        });
      }));
}

void QuestionService::read_page(const DocumentRow& document, std::uint32_t page,
                                Done<messages::PageText> done) {
  messages::ReadPage payload{document.collection, document.id, page};
  auto job =
      interactive_job("index", "page", messages::encode(payload), new_stream_id(topic_), kRequestDeadlineMs);
  job.routing_key = document.collection;
  request(std::move(job), [done = std::move(done)](const Result<std::string>& data) {
    if (!data) return done(data.error());
    auto text = messages::decode<messages::PageText>(*data);
    if (!text) return done(text.error());
    if (!text->found) {
      return done(Error{ErrorCode::kNotFound, "This page does not exist, or is not searchable yet."});
    }
    done(std::move(*text));
  });
}

void QuestionService::embed(messages::EmbedTexts texts, Done<messages::EmbeddedTexts> done) {
  auto job =
      interactive_job("embed", "texts", messages::encode(texts), new_stream_id(topic_), kRequestDeadlineMs);
  request(std::move(job), [done = std::move(done)](const Result<std::string>& data) {
    if (!data) return done(data.error());
    done(messages::decode<messages::EmbeddedTexts>(*data));
  });
}

void QuestionService::recorded(const std::string& stream, Done<MessageRow> done) {
  services_.catalog.run(
      [stream](Catalog& catalog) { return catalog.answer_of_stream(stream); },
      lifetime_.guard([done = std::move(done)](Result<MessageRow> row) { done(std::move(row)); }));
}

}  // namespace answermill::frontend
