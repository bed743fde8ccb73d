// The submissions of ingest and removal, and the names of their groups. Pure: the same row gives the same
// bytes, so that submitting again is harmless.
#pragma once

#include <string>
#include <string_view>

#include "frontend/server/catalog/catalog.h"
#include "shared/messages/documents.h"
#include "shared/messages/submit.h"

namespace answermill::frontend {

// Where every group of the tenant shows its progress.
std::string tenant_topic();

messages::DocumentRef document_ref(const DocumentRow& row);
messages::Submit ingest_submission(const DocumentRow& row);
messages::Submit delete_submission(const DocumentRow& row);
messages::Submit drop_submission(const Catalog::Drop& drop);

std::string delete_group(const DocumentRow& row);
std::string drop_group(const Catalog::Drop& drop);

// What a group of the tenant's topic is about.
enum class GroupKind { kIngest, kDelete, kDrop };
GroupKind group_kind(std::string_view group);
// The collection of a drop's subject.
std::string_view dropped_collection(std::string_view subject);

}  // namespace answermill::frontend
