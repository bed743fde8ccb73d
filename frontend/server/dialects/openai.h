// What the OpenAI-compatible endpoints have in common, and their small objects: errors, models, files,
// embeddings. Pure.
// Source: https://platform.openai.com/docs/api-reference (objects), docs/protocol.md, "OpenAI-compatible".
//
// Units: `created` are Unix seconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/server/dialects/denial.h"
#include "frontend/server/dialects/views.h"
#include "shared/base/result.h"

namespace answermill::frontend::openai {

// The model that answers from the default collection; every other model is the collection of that name.
inline constexpr char kModel[] = "answermill";
std::string collection_of(std::string_view model);
std::string model_of(std::string_view collection);

// Stream ids as these endpoints name them: "chatcmpl-…", "resp_…", "msg_…".
std::string id_of(std::string_view prefix, std::string_view stream);
// Empty when it is not such an id.
std::string stream_of(std::string_view prefix, std::string_view id);

// A question as a list of messages ends in it.
struct Prompt {
  std::string question;                 // the last user message
  std::vector<messages::Turn> history;  // the user's and the assistant's messages before it
  std::string instructions;             // the system's and the developer's messages
};

struct Sampling {
  double temperature = -1;       // negative: as configured
  std::uint32_t max_tokens = 0;  // 0: as configured
};

std::string error(const Error& error);
std::string denied(const Denial& denial);
// An answer that has no good end, as an error; nullopt for one that is running or has.
std::optional<Error> bad_end(const AnswerView& answer);

std::string models(const std::vector<CollectionRow>& collections);
std::string model(const CollectionRow& collection);

std::string file(const DocumentView& document);
std::string files(const std::vector<DocumentView>& documents);
std::string file_deleted(std::string_view id);

struct EmbeddingsBody {
  std::vector<std::string> input;
  bool base64 = false;
  bool query = false;            // an extension: "input_type": "query"
  std::uint64_t dimensions = 0;  // 0: whatever the embedder has
};
// Errors: kMalformed, kInvalidArgument.
Result<EmbeddingsBody> parse_embeddings(std::string_view body);
// `vectors` is little-endian float32, input × dimension.
std::string embeddings(const EmbeddingsBody& body, std::string_view model, std::uint32_t dimension,
                       std::string_view vectors);

}  // namespace answermill::frontend::openai
