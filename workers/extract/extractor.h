// The extract stage's two ops: "plan" looks at a document and cuts it into page ranges, "pages" turns a range
// into pages and chunks for the embed stage.
//
// Thread: handle() from several threads at once. Owns: nothing but idle parsers; blobs come from the
// source. Errors: outcomes carry the code and a sentence; a parser's death counts as a crash, of that page
// alone.
#pragma once

#include <cstdint>
#include <string>

#include "shared/messages/documents.h"
#include "workers/extract/pdf_session.h"
#include "workers/runtime/blob_source.h"
#include "workers/runtime/stage.h"

namespace answermill::extract {

struct ExtractorOptions {
  SessionLimits session;
  std::size_t idle_parsers = 2;
};

class Extractor {
 public:
  Extractor(Zygote& zygote, runtime::BlobSource& blobs, const ExtractorOptions& options)
      : zygote_(zygote), blobs_(blobs), options_(options), pool_(options.idle_parsers) {}

  messages::Outcome handle(const runtime::Job& job, runtime::JobHandle& handle);

 private:
  messages::Outcome plan(const messages::ExtractPlan& plan, runtime::JobHandle& handle);
  messages::Outcome plan_pdf(const messages::DocumentRef& document, int fd, runtime::JobHandle& handle);
  messages::Outcome plan_text(const messages::DocumentRef& document, int fd, std::uint64_t size,
                              const std::string& format, runtime::JobHandle& handle);
  messages::Outcome pdf_pages(const messages::ExtractPages& range, int fd, runtime::JobHandle& handle);
  messages::Outcome text_pages(const messages::ExtractPages& range, int fd, runtime::JobHandle& handle);

  Result<std::unique_ptr<PdfSession>> session_for(const messages::DocumentRef& document, int fd,
                                                  runtime::JobHandle& handle);
  Result<std::string> pdf_page(std::unique_ptr<PdfSession>& session, const messages::ExtractPages& range,
                               int fd, std::uint32_t page, runtime::JobHandle& handle);

  Zygote& zygote_;
  runtime::BlobSource& blobs_;
  ExtractorOptions options_;
  SessionPool pool_;
};

}  // namespace answermill::extract
