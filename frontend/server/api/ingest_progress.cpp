#include "frontend/server/api/ingest_progress.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "shared/messages/codec.h"
#include "shared/messages/documents.h"

namespace answermill::frontend {
namespace {

std::int64_t counter(const messages::GroupProgress& progress, std::string_view name) {
  for (const auto& one : progress.counters) {
    if (one.name == name) return one.value;
  }
  return 0;
}

// The pages a failed job stood for.
std::set<std::uint32_t> pages_of(const messages::JobFailure& failure) {
  std::set<std::uint32_t> pages;
  const auto add = [&pages](const auto& payload) {
    for (const auto& page : payload.pages) pages.insert(page.number);
    for (const auto& chunk : payload.chunks) pages.insert(chunk.page);
  };
  if (failure.stage == "extract" && failure.op == "pages") {
    if (const auto range = messages::decode<messages::ExtractPages>(failure.payload)) {
      for (std::uint32_t i = 0; i < std::min(range->page_count, 100'000U); ++i)
        pages.insert(range->first_page + i);
    }
  } else if (failure.stage == "embed") {
    if (const auto job = messages::decode<messages::EmbedChunks>(failure.payload)) add(*job);
  } else if (failure.stage == "index") {
    if (const auto job = messages::decode<messages::IndexUpsert>(failure.payload)) add(*job);
  }
  return pages;
}

PageCounts pages_from(const messages::GroupProgress& progress) {
  PageCounts pages;
  for (const auto& stage : progress.stages) {
    pages.total = std::max(pages.total, stage.total);
    if (stage.stage == "extract") pages.extracted = stage.done;
    if (stage.stage == "embed") pages.embedded = stage.done;
    if (stage.stage == "index") pages.searchable = stage.done;
  }
  return pages;
}

double fraction(const PageCounts& pages) {
  if (pages.total == 0) return 0;
  const double done = static_cast<double>(pages.extracted + pages.embedded + pages.searchable);
  return std::min(1.0, done / (3.0 * static_cast<double>(pages.total)));
}

struct Losses {
  std::vector<Warning> warnings;
  std::set<std::uint32_t> pages;
  std::uint64_t units = 0;  // pages of failures whose payload does not name them
};

Losses losses_of(const messages::GroupProgress& progress) {
  std::map<std::pair<ErrorCode, std::string>, std::set<std::uint32_t>> by_cause;
  Losses losses;
  for (const auto& failure : progress.failures) {
    const auto pages = pages_of(failure);
    if (pages.empty()) losses.units += failure.units;
    by_cause[{failure.code, failure.message}].insert(pages.begin(), pages.end());
    losses.pages.insert(pages.begin(), pages.end());
  }
  for (const auto& [cause, pages] : by_cause) {
    if (!pages.empty()) losses.warnings.push_back({{pages.begin(), pages.end()}, cause.first, cause.second});
  }
  return losses;
}

}  // namespace

DocumentView view_of(const DocumentRow& row) {
  DocumentView view{row, 0, -1};
  view.progress = row.state == DocumentState::kReady ? 1 : fraction(row.pages);
  if (row.state == DocumentState::kReady) view.eta_ms = 0;
  return view;
}

DocumentView view_of(const DocumentRow& row, const messages::GroupProgress& progress) {
  DocumentView view{row, 0, progress.eta_ms};
  if (row.settled() || row.state == DocumentState::kDeleting) return view_of(row);
  view.row.state = DocumentState::kProcessing;
  view.row.pages = pages_from(progress);
  const Losses losses = losses_of(progress);
  view.row.pages.failed = losses.pages.size();
  view.row.warnings = losses.warnings;
  view.row.chunks =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, counter(progress, messages::kCounterChunks)));
  view.progress = fraction(view.row.pages);
  return view;
}

DocumentOutcome outcome_of(const messages::GroupProgress& progress) {
  DocumentOutcome outcome;
  outcome.pages = pages_from(progress);
  outcome.chunks =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, counter(progress, messages::kCounterChunks)));
  Losses losses = losses_of(progress);
  outcome.pages.failed = losses.pages.size() + losses.units;
  outcome.warnings = std::move(losses.warnings);
  const auto fail = [&outcome](ErrorCode code, std::string message) {
    outcome.state = DocumentState::kFailed;
    outcome.error = {code == ErrorCode::kOk ? ErrorCode::kInternal : code, std::move(message)};
  };
  const auto plan = std::find_if(progress.failures.begin(), progress.failures.end(), [](const auto& failure) {
    return failure.stage == "extract" && failure.op == "plan";
  });
  if (progress.state == messages::GroupState::kCancelled) {
    fail(ErrorCode::kCancelled, "The processing of this document was cancelled.");
  } else if (plan != progress.failures.end()) {
    fail(plan->code, plan->message);
  } else if (!progress.failures.empty() && outcome.pages.failed >= outcome.pages.total) {
    fail(progress.failures.front().code, progress.failures.front().message);
  } else if (counter(progress, messages::kCounterCharacters) == 0) {
    if (progress.failures.empty()) {
      fail(ErrorCode::kNoText, "This document holds no text: it seems to be a scan or pictures only.");
    } else {
      fail(progress.failures.front().code, progress.failures.front().message);
    }
  }
  return outcome;
}

}  // namespace answermill::frontend
