// The embed stage: chunks and queries go to an embedder, their vectors on to the index.
//
// Thread: as runtime::Stage says; results come on the embedder's threads. Errors: those of the embedder; a
// job is retried when its error may pass.
#pragma once

#include <cstdint>
#include <memory>

#include "workers/embed/embedder.h"
#include "workers/runtime/stage.h"

namespace answermill::embed {

// `embedder` must outlive the stage and every job it started.
std::unique_ptr<runtime::Stage> make_embed_stage(Embedder& embedder, std::uint32_t slots);

}  // namespace answermill::embed
