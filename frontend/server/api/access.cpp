#include "frontend/server/api/access.h"

#include <optional>
#include <utility>

#include "frontend/server/catalog/catalog.h"
#include "frontend/server/dialects/http_json.h"
#include "frontend/server/dialects/openai.h"
#include "frontend/server/dialects/sse.h"
#include "frontend/server/dialects/sse_chat.h"

namespace answermill::frontend {
namespace {

ErrorCode code_of(int status) {
  switch (status) {
    case 400:
      return ErrorCode::kMalformed;
    case 401:
      return ErrorCode::kUnauthorized;
    case 403:
      return ErrorCode::kForbidden;
    case 404:
      return ErrorCode::kNotFound;
    case 408:
      return ErrorCode::kTimeout;
    case 413:
    case 431:
      return ErrorCode::kTooLarge;
    case 429:
      return ErrorCode::kRateLimited;
    case 500:
      return ErrorCode::kInternal;
    default:
      return ErrorCode::kInvalidArgument;
  }
}

RefusalBody chat_refusal(const Request& request, const Refusal& refusal) {
  const Denial denial = denial_of(refusal);
  const bool streams = request.path.ends_with("/stream");
  if (!streams) return {kJsonContentType, encode_denial(denial)};
  return {sse::kType, chat::denied(denial)};
}

}  // namespace

Denial denial_of(const Refusal& refusal) {
  return {{code_of(refusal.status), refusal.reason, refusal.retry_after}, refusal.scope};
}

Error out_of_reach() {
  return {ErrorCode::kForbidden, "The access token is for other collections than this one."};
}

Result<std::string> collection_for(const Caller& caller, std::string named) {
  std::string collection = caller.collection_or_own(std::move(named));
  if (!caller.reaches(collection.empty() ? kDefaultCollection : collection)) return out_of_reach();
  return collection;
}

void get_document(DocumentService& documents, const Caller& caller, const std::string& id,
                  DocumentService::Done<DocumentView> done) {
  documents.get(id, [caller, done = std::move(done)](Result<DocumentView> document) {
    if (document && !caller.reaches(document->row.collection)) document = no_document();
    done(std::move(document));
  });
}

void list_documents(DocumentService& documents, const Caller& caller,
                    const std::optional<std::string>& collection,
                    DocumentService::Done<std::vector<DocumentView>> done) {
  if (collection && !caller.reaches(*collection)) return done(out_of_reach());
  documents.list(collection, [caller, done = std::move(done)](Result<std::vector<DocumentView>> found) {
    if (found) keep_reachable(*found, caller, [](const DocumentView& view) { return view.row.collection; });
    done(std::move(found));
  });
}

void retry_document(DocumentService& documents, const Caller& caller, const std::string& id,
                    DocumentService::Done<DocumentView> done) {
  get_document(documents, caller, id,
               [&documents, id, done = std::move(done)](const Result<DocumentView>& document) {
                 if (!document) return done(document.error());
                 documents.retry(id, done);
               });
}

void remove_document(DocumentService& documents, const Caller& caller, const std::string& id,
                     DocumentService::Done<bool> done) {
  // For a caller of everything it may be half removed already, which its row does not tell.
  if (caller.collections().empty()) return documents.remove(id, std::move(done));
  get_document(documents, caller, id,
               [&documents, id, done = std::move(done)](const Result<DocumentView>& document) {
                 if (!document) return done(document.error());
                 documents.remove(id, done);
               });
}

RightsView rights_of(const Caller& caller) {
  RightsView rights;
  for (const access::Scope scope : access::kAllScopes) {
    if (caller.may({scope})) rights.scopes.emplace_back(to_string(scope));
  }
  rights.collections = caller.collections();
  if (caller.grant()) rights.token = caller.grant()->token.name;
  return rights;
}

void add_refusals(Router& router) {
  router.refuse_with("/v1", [](const Request&, const Refusal& refusal) {
    return RefusalBody{kJsonContentType, openai::denied(denial_of(refusal))};
  });
  router.refuse_with("/chat", chat_refusal);
  router.refuse_with("/fast_chat", chat_refusal);
}

ws_stream::AccessView access_view(const AccessReport& report) {
  const UsageLimits& limits = report.limits;
  const RefusalCounts& refused = report.refused;
  ws_stream::AccessView view;
  view.tokens = report.tokens;
  view.token_required = report.token_required;
  view.connections = report.connections;
  view.limits = {{"connections_per_address", limits.connections_per_address},
                 {"connections_per_token", limits.connections_per_token},
                 {"requests_per_minute", limits.requests_per_minute},
                 {"questions_per_minute", limits.questions_per_minute},
                 {"open_answers", limits.open_answers}};
  view.refused = {{"unauthorized", refused.unauthorized},
                  {"forbidden", refused.forbidden},
                  {"connections", refused.connections},
                  {"requests", refused.requests},
                  {"questions", refused.questions},
                  {"open_answers", refused.open_answers},
                  {"slow_requests", refused.slow_requests},
                  {"slow_uploads", refused.slow_uploads},
                  {"idle", refused.idle}};
  return view;
}

}  // namespace answermill::frontend
