#include "frontend/server/api/native_session.h"

#include <cstdlib>
#include <utility>

#include "frontend/server/api/access.h"
#include "frontend/server/api/sse_answers.h"
#include "shared/base/ids.h"

namespace answermill::frontend {
namespace {
constexpr std::size_t kMaxStreams = 64;

// What a message needs of the token; ending something is free.
Access access_of(native::ClientKind kind) {
  constexpr auto kFree = Use::kFree;
  switch (kind) {
    case native::ClientKind::kWatch:
    case native::ClientKind::kSearch:
      return kNeedsRead;
    case native::ClientKind::kPrefetch:
      return kSearchesOrAsks;
    case native::ClientKind::kAsk:
      return kAsks;
    case native::ClientKind::kResume:
      return kReadsAnswers;
    case native::ClientKind::kCancel:
      return {{access::Scope::kAsk}, kFree};
    case native::ClientKind::kUploadBegin:
      return kNeedsWrite;
    case native::ClientKind::kUploadEnd:
    case native::ClientKind::kUploadAbort:
      return {{access::Scope::kWrite}, kFree};
    case native::ClientKind::kUnwatch:
    case native::ClientKind::kLeave:
    case native::ClientKind::kPing:
      return {kNeedsAnything.any_of, kFree};
  }
  std::abort();
}

}  // namespace

NativeSession::NativeSession(NativeContext context, std::shared_ptr<WebSocket> socket)
    : context_(context),
      socket_(std::move(socket)),
      topic_(random_id()),
      uploads_(context.services, context.documents, socket_->request().caller,
               [this](std::string_view text) { send(text); }) {}

NativeSession::~NativeSession() {
  context_.documents.unwatch(*this);
  context_.fleet.leave(*this);
}

void NativeSession::on_open() {
  context_.fleet.listen(*this);
  send(native::welcome(context_.services.facts, topic_, context_.fleet.view(), rights_of(caller())));
  send(native::fleet(context_.fleet.view()));
}

void NativeSession::on_close(std::uint16_t) {
  // The answers go on without this client.
  streams_.clear();
  context_.documents.unwatch(*this);
  context_.fleet.leave(*this);
}

bool NativeSession::can_write() const { return socket_->pending_bytes() < kHighWaterBytes; }

void NativeSession::on_text(std::string_view text) {
  const auto message = native::parse(text);
  if (!message) return send(native::error({}, {}, message.error()));
  if (!admitted(*message)) return;
  switch (message->kind) {
    case native::ClientKind::kWatch:
      return watch(message->collection);
    case native::ClientKind::kUnwatch:
      watching_ = false;
      return context_.documents.unwatch(*this);
    case native::ClientKind::kAsk:
      return ask(*message);
    case native::ClientKind::kCancel:
      return cancel(message->stream);
    case native::ClientKind::kResume:
      return resume(*message);
    case native::ClientKind::kLeave:
      streams_.erase(message->stream);
      return;
    case native::ClientKind::kSearch:
      return search(*message);
    case native::ClientKind::kPrefetch:
      return prefetch(*message);
    case native::ClientKind::kUploadBegin:
      return uploads_.begin(*message);
    case native::ClientKind::kUploadEnd:
      return uploads_.end(message->id);
    case native::ClientKind::kUploadAbort:
      return uploads_.abort(message->id);
    case native::ClientKind::kPing:
      return send(native::pong(context_.services.loop.unix_seconds()));
  }
}

bool NativeSession::admitted(const native::ClientMessage& message) {
  const Refusal refusal = caller().use(access_of(message.kind), context_.services.loop.now());
  if (refusal.refused()) send(native::denied(message.id, message.stream, denial_of(refusal)));
  return !refusal.refused();
}

std::shared_ptr<Seat> NativeSession::sit(const std::string& id) {
  auto seat = caller().sit();
  if (seat) return std::make_shared<Seat>(std::move(*seat));
  send(native::denied(id, {}, denial_of(caller().too_many_answers())));
  return nullptr;
}

void NativeSession::on_binary(std::string_view message) { uploads_.data(message); }

void NativeSession::on_drain() {
  if (list_due_) send_documents();
  std::vector<std::string> names;
  for (const auto& [stream, reading] : streams_) names.push_back(stream);
  for (const auto& stream : names) pump(stream);
}

void NativeSession::watch(const std::optional<std::string>& collection) {
  if (collection && !caller().reaches(*collection)) return send(native::error({}, {}, out_of_reach()));
  watched_collection_ = collection;
  watching_ = true;
  context_.documents.watch(*this);
  send_documents();
}

void NativeSession::send_documents() {
  list_due_ = false;
  list_documents(context_.documents, caller(), watched_collection_,
                 lifetime_.guard([this](const Result<std::vector<DocumentView>>& documents) {
                   if (!watching_) return;
                   if (!documents) return send(native::error({}, {}, documents.error()));
                   send(native::documents(watched_collection_, *documents));
                 }));
}

void NativeSession::on_document(const DocumentView& document) {
  if (!watching_) return;
  if (watched_collection_ && *watched_collection_ != document.row.collection) return;
  if (!caller().reaches(document.row.collection)) return;
  if (!can_write()) {
    list_due_ = true;
    return;
  }
  send(native::document(document));
}

void NativeSession::on_document_removed(const std::string& id) {
  if (!watching_) return;
  // Nobody knows any more which collection it was in: the name of one out of reach is nothing to tell.
  if (!caller().collections().empty()) return on_documents_changed();
  if (!can_write()) {
    list_due_ = true;
    return;
  }
  send(native::document_removed(id));
}

void NativeSession::on_documents_changed() {
  if (!watching_) return;
  if (can_write()) return send_documents();
  list_due_ = true;
}

void NativeSession::on_fleet(const FleetView& fleet) { send(native::fleet(fleet)); }

bool NativeSession::full(const std::string& id) {
  if (streams_.size() < kMaxStreams) return false;
  send(native::error(id, {}, {ErrorCode::kRateLimited, "Too many answers are followed on this connection."}));
  return true;
}

void NativeSession::ask(const native::ClientMessage& message) {
  if (full(message.id)) return;
  const auto seat = sit(message.id);
  if (!seat) return;
  Question question;
  question.caller = caller();
  question.question = message.question;
  question.collection = message.collection.value_or("");
  question.conversation = message.conversation;
  question.request_id = message.request_id;
  question.documents = message.documents;
  question.topic = topic_;
  auto stream = std::make_shared<std::string>();
  context_.questions.ask(
      std::move(question),
      lifetime_.guard([this, id = message.id, stream, seat](const Result<AnswerView>& started) {
        if (!started) return send(native::error(id, {}, started.error()));
        *stream = started->stream;
        send(native::started(id, *started));
        read(started->stream, 0).seat = seat;
      }),
      lifetime_.guard([this, id = message.id, stream](const Error& error) {
        // The hub may have ended the stream by itself already.
        if (streams_.erase(*stream) > 0) send(native::error(id, *stream, error));
      }));
}

void NativeSession::cancel(const std::string& stream) {
  if (topic_of_stream(stream).empty()) {
    return send(native::error({}, stream, {ErrorCode::kNotFound, "There is no stream with this id."}));
  }
  context_.services.hub.cancel(stream);
}

void NativeSession::resume(const native::ClientMessage& message) {
  if (topic_of_stream(message.stream).empty()) {
    return send(native::error(message.id, message.stream,
                              {ErrorCode::kNotFound, "There is no stream with this id."}));
  }
  if (full(message.id)) return;
  auto seat = sit(message.id);
  if (!seat) return;
  auto& stream = read(message.stream, message.after_seq);
  stream.seat = std::move(seat);
  stream.resume_id = message.id;
  stream.reader->on_loaded = [this, id = message.id, name = message.stream, after_seq = message.after_seq] {
    send(native::resumed(id, name, after_seq));
  };
}

NativeSession::Stream& NativeSession::read(const std::string& stream, std::uint64_t after_seq) {
  auto& entry = streams_[stream];
  entry.after_seq = after_seq;
  entry.reader = std::make_unique<StreamReader>(context_.services.loop, context_.services.hub, stream,
                                                after_seq, [this, stream] { pump(stream); });
  return entry;
}

void NativeSession::pump(const std::string& stream) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  const auto step = found->second.reader->pump([this] { return can_write(); },
                                               [&](const messages::StreamEvent& event) {
                                                 const std::string text = native::stream_event(stream, event);
                                                 if (!text.empty()) send(text);
                                               });
  if (step == StreamReader::Step::kEnded) {
    streams_.erase(found);
    return;
  }
  if (step != StreamReader::Step::kUnknown) return;
  const std::string id = found->second.resume_id;
  streams_.erase(found);
  from_catalog(id, stream);
}

void NativeSession::from_catalog(const std::string& id, const std::string& stream) {
  context_.questions.recorded(stream, lifetime_.guard([this, id, stream](const Result<MessageRow>& row) {
    if (!row) return send(native::error(id, stream, row.error()));
    if (!caller().reaches(row->collection)) return send(native::error(id, stream, out_of_reach()));
    if (row->status == MessageStatus::kStreaming) {
      // Under way, but not here at this moment; the row has no text yet, and the viewer may have some.
      return send(native::error(
          id, stream, {ErrorCode::kUnavailable, "The answer is not to be had at this moment: try again."}));
    }
    send(native::resumed_snapshot(id, answer_of(*row)));
  }));
}

void NativeSession::search(const native::ClientMessage& message) {
  Search search{message.question, message.collection.value_or(""), message.k, -1, caller()};
  context_.questions.search(std::move(search), lifetime_.guard([this, message](const Result<Found>& found) {
    if (!found) return send(native::error(message.id, {}, found.error()));
    send(native::results(message.id, message.question, found->sources, found->took_ms));
  }));
}

// Somebody types: one search at a time, and of those that wait only the last is still wanted.
void NativeSession::prefetch(native::ClientMessage message) {
  if (prefetching_) {
    prefetch_next_ = std::move(message);
    return;
  }
  prefetching_ = true;
  Search search{message.question, message.collection.value_or(""), message.k, -1, caller()};
  context_.questions.search(
      std::move(search),
      lifetime_.guard([this, id = message.id, question = message.question](const Result<Found>& found) {
        send(found ? native::prefetched(id, question, found->sources, found->took_ms)
                   : native::error(id, {}, found.error()));
        prefetching_ = false;
        if (prefetch_next_) prefetch(*std::exchange(prefetch_next_, std::nullopt));
      }));
}

}  // namespace answermill::frontend
