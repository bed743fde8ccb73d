#include <charconv>
#include <utility>

#include "frontend/server/api/access.h"
#include "frontend/server/api/file_answer.h"
#include "frontend/server/api/routes.h"
#include "frontend/server/api/upload_sinks.h"

namespace answermill::frontend {
namespace {

Error bad_page() { return {ErrorCode::kInvalidArgument, "A page is a number from 1."}; }

Result<std::uint32_t> page_number(std::string_view text) {
  std::uint32_t page = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), page);
  if (error != std::errc() || end != text.data() + text.size() || page == 0) return bad_page();
  return page;
}

// Runs `use` with the document of the route's first capture, or answers why not.
template <class Use>
void with_document(const AnswerContext& context, const Request& request, const ResponderPtr& responder,
                   Use use) {
  get_document(context.documents, request.caller, request.captures.at(0),
               [responder, use = std::move(use)](const Result<DocumentView>& view) {
                 if (!view) return send_error(*responder, view.error());
                 use(*view);
               });
}

void read_page(const AnswerContext& context, const Request& request, const ResponderPtr& responder) {
  const auto page = page_number(request.captures.at(1));
  if (!page) return send_error(*responder, page.error());
  with_document(
      context, request, responder, [context, responder, page = *page](const DocumentView& document) {
        context.questions.read_page(document.row, page, [responder](const Result<messages::PageText>& text) {
          if (!text) return send_error(*responder, text.error());
          send_json(*responder, 200, encode_page(*text));
        });
      });
}

void delete_document(const AnswerContext& context, const Request& request, const ResponderPtr& responder) {
  const std::string id = request.captures.at(0);
  remove_document(context.documents, request.caller, id, [responder, id](const Result<bool>& removed) {
    if (!removed) return send_error(*responder, removed.error());
    send_json(*responder, *removed ? 200 : 202, encode_document_deleted(id, *removed));
  });
}

}  // namespace

void add_document_routes(Router& router, const AnswerContext& context) {
  router.upload(
      "POST", "/api/documents", kNeedsWrite, [context](const Request& request, ResponderPtr responder) {
        return begin_http_upload(context.documents, context.services.facts, request, std::move(responder),
                                 {[](Responder& to, const std::vector<DocumentView>& documents) {
                                    send_json(to, 202, encode_documents(documents));
                                  },
                                  send_error});
      });
  router.route("GET", "/api/documents", kNeedsRead,
               [context](const Request& request, const ResponderPtr& responder) {
                 list_documents(context.documents, request.caller, request.query_value("collection"),
                                [responder](const Result<std::vector<DocumentView>>& documents) {
                                  if (!documents) return send_error(*responder, documents.error());
                                  send_json(*responder, 200, encode_documents(*documents));
                                });
               });
  router.route("GET", "/api/documents/{id}", kNeedsRead,
               [context](const Request& request, const ResponderPtr& responder) {
                 with_document(context, request, responder, [responder](const DocumentView& document) {
                   send_json(*responder, 200, encode_document(document));
                 });
               });
  router.route("GET", "/api/documents/{id}/events", kWatchesDocument,
               [context](const Request& request, const ResponderPtr& responder) {
                 with_document(context, request, responder,
                               [context, responder](const DocumentView& document) {
                                 stream_document(context, document, responder);
                               });
               });
  router.route("GET", "/api/documents/{id}/pages/{page}", kNeedsRead,
               [context](const Request& request, const ResponderPtr& responder) {
                 read_page(context, request, responder);
               });
  router.route("GET", "/api/documents/{id}/file", kNeedsRead,
               [context](const Request& request, const ResponderPtr& responder) {
                 with_document(context, request, responder,
                               [context, responder](const DocumentView& document) {
                                 send_file(context, document.row, responder);
                               });
               });
  router.route("POST", "/api/documents/{id}/retry", kNeedsWrite,
               [context](const Request& request, const ResponderPtr& responder) {
                 retry_document(context.documents, request.caller, request.captures.at(0),
                                [responder](const Result<DocumentView>& document) {
                                  if (!document) return send_error(*responder, document.error());
                                  send_json(*responder, 202, encode_document(*document));
                                });
               });
  router.route("DELETE", "/api/documents/{id}", kNeedsWrite,
               [context](const Request& request, const ResponderPtr& responder) {
                 delete_document(context, request, responder);
               });
}

void add_collection_routes(Router& router, const AnswerContext& context) {
  router.route("GET", "/api/collections", kNeedsAnything,
               [context](const Request& request, const ResponderPtr& responder) {
                 context.services.catalog.run(
                     [](Catalog& catalog) { return catalog.collections(); },
                     [responder, caller = request.caller](Result<std::vector<CollectionRow>> rows) {
                       if (rows) keep_reachable(*rows, caller, [](const auto& row) { return row.name; });
                       if (!rows) return send_error(*responder, rows.error());
                       send_json(*responder, 200, encode_collections(*rows));
                     });
               });
  router.route(
      "POST", "/api/collections", kNeedsWrite,
      [context](const Request& request, const ResponderPtr& responder) {
        auto name = parse_collection_name(request.body);
        if (!name) return send_error(*responder, name.error());
        if (!request.caller.reaches(*name)) return send_error(*responder, out_of_reach());
        const std::int64_t now_ms = context.services.loop.unix_ms();
        context.services.catalog.run(
            [name = *name, now_ms](Catalog& catalog) { return catalog.create_collection(name, now_ms); },
            [responder](const Result<CollectionRow>& row) {
              if (!row) return send_error(*responder, row.error());
              send_json(*responder, 201, encode_collection(*row));
            });
      });
  router.route("DELETE", "/api/collections/{name}", kNeedsWrite,
               [context](const Request& request, const ResponderPtr& responder) {
                 if (!request.caller.reaches(request.captures.at(0)))
                   return send_error(*responder, out_of_reach());
                 context.documents.drop(request.captures.at(0), [responder](const Result<bool>& dropped) {
                   if (!dropped) return send_error(*responder, dropped.error());
                   send_json(*responder, *dropped ? 200 : 202,
                             encode_flag(*dropped ? "deleted" : "deleting"));
                 });
               });
}

}  // namespace answermill::frontend
