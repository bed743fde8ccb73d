// The frontends' own stage, `record`: writes final answers and document states into the catalog. Every op may
// run again for the same job without another effect.
//
// Thread: start() on the loop; the work on the catalog's thread.
#pragma once

#include <memory>

#include "frontend/server/catalog/catalog.h"
#include "shared/bus/job.h"

namespace answermill::frontend {

// Errors are retryable unless the payload is malformed.
messages::Outcome record(Catalog& catalog, const bus::Job& job, std::int64_t now_ms);

}  // namespace answermill::frontend
