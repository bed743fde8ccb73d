// The HTTP API on a router.
//
// Thread: the loop. Everything referred to must outlive the router's last request.
#pragma once

#include "frontend/server/api/fleet_watch.h"
#include "frontend/server/api/sse_answers.h"
#include "frontend/server/edge/http.h"

namespace answermill::frontend {

void add_document_routes(Router& router, const AnswerContext& context);
void add_collection_routes(Router& router, const AnswerContext& context);
// Who am I: `/api/session`, where the page keeps its access token.
void add_session_routes(Router& router);
void add_question_routes(Router& router, const AnswerContext& context);
void add_assistant_routes(Router& router, const AnswerContext& context);
void add_chat_routes(Router& router, const AnswerContext& context);
void add_openai_routes(Router& router, const AnswerContext& context);
void add_ws_query_route(Router& router, const AnswerContext& context);
void add_status_routes(Router& router, const AnswerContext& context, const FleetWatch& fleet);

}  // namespace answermill::frontend
