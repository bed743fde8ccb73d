#include "workers/extract/extractor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "shared/messages/codec.h"
#include "shared/text/utf8.h"
#include "workers/extract/chunker.h"
#include "workers/extract/document_type.h"
#include "workers/extract/follow_ups.h"
#include "workers/extract/page_text.h"
#include "workers/extract/text_pages.h"

namespace answermill::extract {
namespace {

using messages::Outcome;

constexpr std::uint32_t kMostPages = 1'000'000;
constexpr std::uint32_t kProgressEveryPages = 256;

Outcome failed(const Error& error) {
  const bool death = is_parser_death(error.code);
  const bool passing = error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kInternal;
  Outcome outcome;
  outcome.status = messages::OutcomeStatus::kFailed;
  outcome.code = error.code;
  outcome.message = error.message;
  // Memory and processor time run out the same way every time.
  outcome.retryable = (death && error.code != ErrorCode::kLimit) || passing;
  outcome.crashed = death;
  return outcome;
}

// The document's bytes are not to be had: that is no parser's death, whatever the code.
Outcome no_bytes(const Error& error) {
  auto outcome = runtime::failed(error);
  outcome.retryable = outcome.retryable || error.code == ErrorCode::kInternal;
  return outcome;
}

Result<std::string> read_head(int fd) {
  std::string head(kSniffBytes, '\0');
  std::size_t done = 0;
  while (done < head.size()) {
    const ssize_t n = pread(fd, head.data() + done, head.size() - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error{ErrorCode::kInternal, "reading the document failed"};
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  head.resize(done);
  return head;
}

std::vector<messages::StageUnits> totals_of(std::uint64_t pages) {
  return {{"extract", 0, pages}, {"embed", 0, pages}, {"index", 0, pages}};
}

// What a range gathers page by page.
class Gathered {
 public:
  Gathered(const messages::ExtractPages& range, Markup markup)
      : range_(range), markup_(markup), batches_(range.document, range.total_pages) {}

  void add(std::uint32_t page, std::string text) {
    auto chunks = chunk_page(range_.document.id, page, text, markup_);
    const std::size_t characters = answermill::text::count_code_points(text);
    characters_ += static_cast<std::int64_t>(characters);
    without_text_ += characters == 0 ? 1 : 0;
    chunks_ += static_cast<std::int64_t>(chunks.size());
    batches_.add({page, std::move(text)}, std::move(chunks));
  }

  // A page that could not be read becomes a job of its own, so that exactly this page is retried or set
  // aside.
  void set_aside(std::uint32_t page) {
    messages::ExtractPages alone = range_;
    alone.first_page = page;
    alone.page_count = 1;
    aside_.push_back(pages_job(alone));
  }

  Outcome finish() {
    Outcome outcome;
    outcome.followups = batches_.finish();
    std::move(aside_.begin(), aside_.end(), std::back_inserter(outcome.followups));
    outcome.counters = {{messages::kCounterCharacters, characters_},
                        {messages::kCounterPagesWithoutText, without_text_},
                        {messages::kCounterChunks, chunks_}};
    return outcome;
  }

 private:
  const messages::ExtractPages& range_;
  Markup markup_;
  EmbedBatches batches_;
  std::vector<messages::JobSpec> aside_;
  std::int64_t characters_ = 0;
  std::int64_t without_text_ = 0;
  std::int64_t chunks_ = 0;
};

Markup markup_of(const std::string& format) {
  return format == kFormatMarkdown ? Markup::kMarkdown : Markup::kPlain;
}

}  // namespace

Outcome Extractor::handle(const runtime::Job& job, runtime::JobHandle& handle) {
  if (job.spec.op == "plan") {
    const auto request = messages::decode<messages::ExtractPlan>(job.spec.payload);
    return request ? plan(*request, handle) : failed(request.error());
  }
  if (job.spec.op != "pages") {
    return failed(
        {ErrorCode::kInvalidArgument, fmt::format("The extract stage knows no op \"{}\".", job.spec.op)});
  }
  const auto range = messages::decode<messages::ExtractPages>(job.spec.payload);
  if (!range) return failed(range.error());
  const auto file = blobs_.open(range->document.blob, handle);
  if (!file) return no_bytes(file.error());
  return range->format == kFormatPdf ? pdf_pages(*range, file->get(), handle)
                                     : text_pages(*range, file->get(), handle);
}

Outcome Extractor::plan(const messages::ExtractPlan& plan, runtime::JobHandle& handle) {
  const auto file = blobs_.open(plan.document.blob, handle);
  if (!file) return no_bytes(file.error());
  struct stat info {};
  if (fstat(file->get(), &info) != 0) return failed({ErrorCode::kInternal, "reading the document failed"});
  const auto head = read_head(file->get());
  if (!head) return failed(head.error());
  const auto type = sniff(*head, plan.document.name);
  if (!type) return failed(type.error());
  if (type->format == kFormatPdf) return plan_pdf(plan.document, file->get(), handle);
  return plan_text(plan.document, file->get(), static_cast<std::uint64_t>(info.st_size), type->format,
                   handle);
}

Outcome Extractor::plan_pdf(const messages::DocumentRef& document, int fd, runtime::JobHandle& handle) {
  auto session = session_for(document, fd, handle);
  if (!session) return failed(session.error());
  const std::uint32_t pages = (*session)->pages();
  pool_.give(document.blob, std::move(*session));
  if (pages == 0) return failed({ErrorCode::kDamaged, "The PDF has no pages: it may have been cut short."});
  if (pages > kMostPages) {
    return failed(
        {ErrorCode::kTooLarge, fmt::format("The PDF has {} pages; at most {} are read.", pages, kMostPages)});
  }
  Outcome outcome;
  outcome.totals = totals_of(pages);
  for (const auto& range : plan_ranges(pages)) {
    messages::ExtractPages next;
    next.document = document;
    next.format = kFormatPdf;
    next.first_page = range.first;
    next.page_count = range.count;
    next.total_pages = pages;
    outcome.followups.push_back(pages_job(next));
  }
  return outcome;
}

Outcome Extractor::plan_text(const messages::DocumentRef& document, int fd, std::uint64_t size,
                             const std::string& format, runtime::JobHandle& handle) {
  const auto encoding = detect_file_encoding(fd, size);
  if (!encoding) return failed(encoding.error());
  handle.progress(0);
  std::vector<std::uint64_t> ends;  // of each page, in source bytes
  bool any_text = false;
  TextPages pages(fd, size, *encoding, markup_of(format), 0);
  for (;;) {
    const auto page = pages.next();
    if (!page) return failed(page.error());
    if (!*page) break;
    ends.push_back((*page)->end);
    any_text = any_text || !normalise_text_page((*page)->text).empty();
    if (ends.size() % kProgressEveryPages != 0) continue;
    handle.progress(0);
    if (handle.cancelled()) return failed({ErrorCode::kCancelled, "The job was cancelled."});
    if (ends.size() > kMostPages) {
      return failed({ErrorCode::kTooLarge, fmt::format("The text is longer than {} pages.", kMostPages)});
    }
  }
  if (!any_text) return failed({ErrorCode::kEmptyFile, "The file holds nothing but white space."});
  const auto total = static_cast<std::uint32_t>(ends.size());
  Outcome outcome;
  outcome.totals = totals_of(total);
  for (const auto& range : plan_ranges(total)) {
    messages::ExtractPages next;
    next.document = document;
    next.format = format;
    next.first_page = range.first;
    next.page_count = range.count;
    next.total_pages = total;
    next.encoding = *encoding;
    next.byte_begin = range.first == 1 ? 0 : ends[range.first - 2];
    next.byte_end = ends[range.first + range.count - 2];
    outcome.followups.push_back(pages_job(next));
  }
  return outcome;
}

Result<std::unique_ptr<PdfSession>> Extractor::session_for(const messages::DocumentRef& document, int fd,
                                                           runtime::JobHandle& handle) {
  if (auto kept = pool_.take(document.blob)) return kept;
  return PdfSession::open(zygote_, fd, options_.session, [&handle] { return handle.cancelled(); });
}

// A parser that dies is replaced and the page tried once more: what the parser had read before may be the
// cause.
Result<std::string> Extractor::pdf_page(std::unique_ptr<PdfSession>& session,
                                        const messages::ExtractPages& range, int fd, std::uint32_t page,
                                        runtime::JobHandle& handle) {
  const auto cancelled = [&handle] { return handle.cancelled(); };
  bool fresh = false;
  for (;;) {
    if (!session || !session->reusable()) {
      auto opened = PdfSession::open(zygote_, fd, options_.session, cancelled);
      if (!opened) return opened.error();
      session = std::move(*opened);
      fresh = true;
    }
    auto text = session->page(page, cancelled);
    if (text || !is_parser_death(text.error().code)) return text;
    session.reset();
    handle.progress(page - range.first_page);
    // A page that outlasted its limits once would do so again.
    if (fresh || text.error().code != ErrorCode::kCrashed) return text;
  }
}

Outcome Extractor::pdf_pages(const messages::ExtractPages& range, int fd, runtime::JobHandle& handle) {
  std::unique_ptr<PdfSession> session = pool_.take(range.document.blob);
  Gathered gathered(range, Markup::kPlain);
  for (std::uint32_t i = 0; i < range.page_count; ++i) {
    const std::uint32_t page = range.first_page + i;
    auto text = pdf_page(session, range, fd, page, handle);
    if (text) {
      gathered.add(page, normalise_pdf_page(*text));
    } else {
      const ErrorCode code = text.error().code;
      const bool of_the_page = is_parser_death(code) || code == ErrorCode::kDamaged;
      if (!of_the_page || range.page_count == 1) return failed(text.error());
      gathered.set_aside(page);
    }
    handle.progress(i + 1);
  }
  pool_.give(range.document.blob, std::move(session));
  return gathered.finish();
}

Outcome Extractor::text_pages(const messages::ExtractPages& range, int fd, runtime::JobHandle& handle) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return failed({ErrorCode::kInternal, "reading the document failed"});
  const Markup markup = markup_of(range.format);
  Gathered gathered(range, markup);
  TextPages pages(fd, static_cast<std::uint64_t>(info.st_size), range.encoding, markup, range.byte_begin);
  for (std::uint32_t i = 0; i < range.page_count; ++i) {
    if (handle.cancelled()) return failed({ErrorCode::kCancelled, "The job was cancelled."});
    const auto page = pages.next();
    if (!page) return failed(page.error());
    if (!*page) return failed({ErrorCode::kInternal, "the document is shorter than its plan"});
    gathered.add(range.first_page + i, normalise_text_page((*page)->text));
    handle.progress(i + 1);
  }
  return gathered.finish();
}

}  // namespace answermill::extract
