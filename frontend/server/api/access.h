// The rules of access where the API applies them itself: single messages of a connection, and collections.
//
// Thread: the loop.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "frontend/server/api/document_service.h"
#include "frontend/server/dialects/denial.h"
#include "frontend/server/dialects/ws_stream.h"
#include "frontend/server/edge/http.h"
#include "frontend/server/edge/server.h"

namespace answermill::frontend {

inline constexpr Access kTalks{{access::Scope::kAsk}};  // reads conversations, steers answers
// Follows a document while it is read.
inline constexpr Access kWatchesDocument{{access::Scope::kRead}, Use::kAnswer};
// Something that asks or searches, as its messages say.
inline constexpr Access kSearchesOrAsks{{access::Scope::kRead, access::Scope::kAsk}};

Denial denial_of(const Refusal& refusal);

// Of a caller whose token is for other collections.
Error out_of_reach();
// The collection meant by a request that names `named` (or, empty, none). Errors: kForbidden.
Result<std::string> collection_for(const Caller& caller, std::string named);

// A document in reach of the caller; others do not exist for him.
void get_document(DocumentService& documents, const Caller& caller, const std::string& id,
                  DocumentService::Done<DocumentView> done);
// The documents of a collection, or of all in reach. Errors: kForbidden.
void list_documents(DocumentService& documents, const Caller& caller,
                    const std::optional<std::string>& collection,
                    DocumentService::Done<std::vector<DocumentView>> done);
void retry_document(DocumentService& documents, const Caller& caller, const std::string& id,
                    DocumentService::Done<DocumentView> done);
void remove_document(DocumentService& documents, const Caller& caller, const std::string& id,
                     DocumentService::Done<bool> done);

// Leaves out what the caller does not reach; rows have a collection, or are one.
template <class Rows, class CollectionOf>
void keep_reachable(Rows& rows, const Caller& caller, CollectionOf collection_of) {
  std::erase_if(rows, [&](const auto& row) { return !caller.reaches(collection_of(row)); });
}

RightsView rights_of(const Caller& caller);

// How refusals look on the wires that have a shape of their own.
void add_refusals(Router& router);

ws_stream::AccessView access_view(const AccessReport& report);

}  // namespace answermill::frontend
