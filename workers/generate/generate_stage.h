// The generate stage: a question with its passages becomes a streamed, cited answer.
//
// Thread: as runtime::Stage says; all answers run on the thread of one HTTP client, hundreds at once.
#pragma once

#include <cstdint>
#include <memory>

#include "workers/generate/model_config.h"
#include "workers/runtime/stage.h"

namespace answermill::generate {

// Without a connected model the documents are quoted.
std::unique_ptr<runtime::Stage> make_generate_stage(ModelConfig config, std::uint32_t slots);

}  // namespace answermill::generate
