// The embed stage's two operations as data: which texts to embed, and what follows from their vectors.
//
// Thread: any. Pure.
#pragma once

#include <string>
#include <vector>

#include "shared/messages/documents.h"
#include "shared/messages/jobs.h"
#include "shared/messages/questions.h"

namespace answermill::embed {

// One text for each chunk: its heading, then its own text.
std::vector<std::string> texts_of(const messages::EmbedChunks& chunks);

// The query; a short follow-up ("and in 2019?") is preceded by the user's turn before it, since it says too
// little by itself.
std::string query_text(const messages::SearchRequest& search);

// Hands chunks and vectors on to index/upsert, in several jobs when one would be too large; the units and the
// pages go with the last, so that they count once everything is stored.
messages::Outcome after_chunks(const messages::JobSpec& spec, messages::EmbedChunks chunks,
                               const std::string& model, const std::vector<float>& vectors);

// Hands the query on to index/search. The words of `text` are searched too, so a follow-up finds by them as
// well.
messages::Outcome after_query(messages::EmbedQuery query, std::string text, const std::string& model,
                              const std::vector<float>& vector);

// The vectors themselves, as the end of the stream.
messages::Outcome after_texts(std::size_t count, const std::string& model, const std::vector<float>& vectors);

}  // namespace answermill::embed
