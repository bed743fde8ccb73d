#include "frontend/server/dialects/views.h"

#include <algorithm>

#include "shared/messages/codec.h"
#include "shared/streams/stream_log.h"

namespace answermill::frontend {
namespace {

using messages::StreamEventKind;

void apply_terminal(AnswerView& answer, const std::string& data) {
  const auto terminal = messages::decode<messages::TerminalEvent>(data);
  if (!terminal) {
    answer.status = MessageStatus::kFailed;
    return;
  }
  answer.status = status_of(terminal->outcome);
  answer.error = {terminal->code, terminal->message};
  answer.sha256 = terminal->sha256;
  if (terminal->meta.empty()) return;
  if (auto meta = messages::decode<messages::AnswerMeta>(terminal->meta)) answer.meta = std::move(*meta);
}

}  // namespace

void apply_event(AnswerView& answer, const messages::StreamEvent& event) {
  // A rewind made up for a viewer that was ahead carries an old number; it must still cut the text.
  if (event.last_seq < answer.next_seq && event.kind != StreamEventKind::kRewind) return;
  if (event.last_seq >= answer.next_seq) answer.next_seq = event.last_seq + 1;
  switch (event.kind) {
    case StreamEventKind::kToken:
      if (event.offset <= answer.text.size()) answer.text.resize(event.offset);
      answer.text += event.data;
      return;
    case StreamEventKind::kRewind: {
      if (event.offset < answer.text.size()) answer.text.resize(event.offset);
      std::erase_if(answer.citations, [&](const auto& citation) { return citation.text_end > event.offset; });
      return;
    }
    case StreamEventKind::kSources:
      if (auto sources = messages::decode<messages::SourcesEvent>(event.data))
        answer.sources = std::move(*sources);
      return;
    case StreamEventKind::kCitation:
      if (auto citation = messages::decode<messages::CitationEvent>(event.data)) {
        answer.citations.push_back(std::move(*citation));
      }
      return;
    case StreamEventKind::kTerminal:
      apply_terminal(answer, event.data);
      return;
    case StreamEventKind::kStatus:
    case StreamEventKind::kResult:
      return;
  }
}

AnswerView answer_of(const MessageRow& row) {
  AnswerView answer;
  for (const auto& event : row.state.events) apply_event(answer, event);
  answer.stream = row.stream;
  answer.conversation = row.conversation;
  answer.question = row.question;
  answer.collection = row.collection;
  answer.status = row.status;
  answer.text = row.text;
  answer.next_seq = std::max(answer.next_seq, row.state.next_seq);
  return answer;
}

std::vector<messages::StreamEvent> events_after(const messages::StreamState& state, std::uint64_t after_seq) {
  std::vector<messages::StreamEvent> events;
  for (const auto& event : state.events) {
    if (event.last_seq <= after_seq) continue;
    if (event.first_seq <= after_seq) {
      events.push_back({after_seq, after_seq, StreamEventKind::kRewind, event.offset, {}});
    }
    events.push_back(event);
  }
  streams::leave_out_skips(events, after_seq);
  return events;
}

FleetView fleet_view(const messages::FleetStatus& status) {
  FleetView view;
  for (const char* stage : {"extract", "embed", "index", "generate", "record"}) view.workers[stage] = 0;
  view.mode = "quoting";
  constexpr std::string_view kModelPrefix = "model ";
  for (const auto& worker : status.workers) {
    ++view.workers[worker.stage];
    if (worker.stage == "embed") view.embedder = worker.detail;
    if (worker.stage == "generate" && worker.detail.starts_with(kModelPrefix)) {
      view.mode = "model";
      view.model = worker.detail.substr(kModelPrefix.size());
    }
  }
  view.ready = status.boot != 0;
  for (const char* stage : {"extract", "embed", "index", "generate", "record"}) {
    view.ready = view.ready && view.workers[stage] > 0;
  }
  return view;
}

}  // namespace answermill::frontend
