// From a group's derived progress to what people see of a document. Pure.
#pragma once

#include "frontend/server/catalog/rows.h"
#include "frontend/server/dialects/views.h"
#include "shared/messages/jobs.h"

namespace answermill::frontend {

// A row without news from the bus.
DocumentView view_of(const DocumentRow& row);
// A row of this generation while its group runs.
DocumentView view_of(const DocumentRow& row, const messages::GroupProgress& progress);

// How the ingest ended, from the progress its completion job was given.
DocumentOutcome outcome_of(const messages::GroupProgress& progress);

}  // namespace answermill::frontend
