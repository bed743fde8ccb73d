// The frontends' own stage, `record`: writes final answers and document states into the catalog. Every op may
// run again for the same job without another effect.
//
// Thread: the catalog's.
#pragma once

#include <memory>

#include "frontend/server/catalog/catalog.h"
#include "shared/bus/job.h"

namespace answermill::frontend {

// The record stage lives in the frontend, which does not link the worker runtime: its own words for an
// outcome.
messages::Outcome job_outcome(const Status& status);

// Errors are retryable unless the payload is malformed.
messages::Outcome record(Catalog& catalog, const bus::Job& job, std::int64_t now_ms);

}  // namespace answermill::frontend
