#include "frontend/server/api/app.h"

#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "frontend/server/api/access.h"
#include "frontend/server/api/native_session.h"
#include "frontend/server/api/record_stage.h"
#include "frontend/server/api/routes.h"
#include "frontend/server/api/ws_stream_session.h"
#include "frontend/server/dialects/http_json.h"
#include "shared/log/log.h"

namespace answermill::frontend {
namespace {

constexpr std::chrono::seconds kTokenInterval{1};

ServerFacts facts_of(const ServerConfig& config) {
  ServerFacts facts;
  facts.version = ANSWERMILL_VERSION;
  facts.upload_bytes = static_cast<std::uint64_t>(config.upload_limit);
  facts.upload_bytes_per_second = static_cast<std::uint64_t>(config.access.upload_min_rate);
  facts.supported = {".pdf", ".txt", ".md"};
  return facts;
}

std::string catalog_path(const ServerConfig& config) {
  return (std::filesystem::path(config.data) / "catalog.sqlite").string();
}

}  // namespace

// In the order they stand on each other; taken down from the last to the first.
struct App::Parts {
  Parts(boost::asio::io_context& io, const ServerConfig& config, EdgeConfig edge_config,
        std::unique_ptr<store::BlobStore> blob_store, std::unique_ptr<Catalog> opened)
      : loop(make_asio_loop(io)),
        blobs(std::move(blob_store)),
        catalog(std::move(opened)),
        bus(make_frontend_bus(io, config.endpoints,
                              [this](bus::Job job, std::shared_ptr<bus::JobHandle> handle) {
                                record_job(std::move(job), std::move(handle));
                              })),
        hub(make_stream_hub(*bus, static_cast<std::size_t>(config.stream_memory))),
        disk_thread("disk"),
        catalog_sync(catalog_path(config), *catalog),
        catalog_thread("catalog"),
        catalog_client(*loop, catalog_thread, *catalog, &catalog_sync),
        services{*loop, *bus, *hub, catalog_client, disk_thread, *blobs, facts_of(config), config.settings},
        documents(services),
        questions(services),
        fleet(services),
        edge(io, std::move(edge_config)),
        token_file(config.access.tokens_file) {}

  // Strict work: it goes on whatever clients do, and its outcome is sent from the catalog's thread.
  void record_job(bus::Job job, std::shared_ptr<bus::JobHandle> handle) {
    catalog_client.post(
        [this, job = std::move(job), handle = std::move(handle), now_ms = loop->unix_ms()](Catalog& rows) {
          messages::Outcome outcome = record(rows, job, now_ms);
          if (outcome.status != messages::OutcomeStatus::kDone) {
            log::error("job={} op={} code={} recording failed: {}", job.spec.id, job.spec.op,
                       to_string(outcome.code), outcome.message);
          }
          const bool done = outcome.status == messages::OutcomeStatus::kDone;
          if (!done || job.spec.op != "answer") return handle->finish(std::move(outcome));
          catalog_sync.after_commit([handle](const Status& kept) { handle->finish(job_outcome(kept)); });
        });
  }

  // Errors: those of a file that is there and cannot be read, or that is there no more.
  Status take_tokens() {
    const auto list = token_file.refresh();
    if (!list) return list.error();
    if (!*list) return {};
    if ((*list)->damaged > 0) {
      log::warn("event=tokens_damaged file={} lines={} let nobody in", token_file.path(), (*list)->damaged);
    }
    edge.set_tokens(**list);
    log::info("event=tokens_read file={} tokens={}", token_file.path(), (*list)->tokens.size());
    return {};
  }

  void follow_tokens() {
    token_timer = loop->after(kTokenInterval, [this] {
      if (const auto taken = take_tokens(); !taken) {
        log::error("event=tokens_unreadable {}; those read last stay in force", taken.error().message);
      }
      follow_tokens();
    });
  }

  void add_routes() {
    Router& router = edge.router();
    add_refusals(router);
    const AnswerContext context{services, documents, questions, answers};
    add_session_routes(router);
    add_document_routes(router, context);
    add_collection_routes(router, context);
    add_question_routes(router, context);
    add_status_routes(router, context, fleet);
    add_assistant_routes(router, context);
    add_chat_routes(router, context);
    add_openai_routes(router, context);
    add_ws_query_route(router, context);
    router.websocket("/api/ws", {"answermill.v1"}, kNeedsAnything,
                     [this](const Request&, std::shared_ptr<WebSocket> socket,
                            Refusal&) -> std::unique_ptr<WebSocketSession> {
                       const NativeContext native{services, documents, questions, fleet};
                       return std::make_unique<NativeSession>(native, std::move(socket));
                     });
    router.websocket("/ws/stream", {}, kTalks,
                     [this](const Request& request, std::shared_ptr<WebSocket> socket,
                            Refusal& refusal) -> std::unique_ptr<WebSocketSession> {
                       auto identity = ws_stream_identity(request);
                       if (!identity) {
                         refusal = {400, "The query parameter user_id is required."};
                         return nullptr;
                       }
                       if (!WsStreamSession::reaches(request.caller, *identity)) {
                         refusal = {403, out_of_reach().message};
                         return nullptr;
                       }
                       const WsStreamContext stream{services, questions, fleet, counters};
                       return std::make_unique<WsStreamSession>(stream, std::move(socket),
                                                                std::move(*identity));
                     });
    router.route("GET", "/ws/status", kNeedsAdmin, [this](const Request&, const ResponderPtr& responder) {
      send_json(*responder, 200,
                ws_stream::status(counters.statistics(loop->unix_ms()), access_view(edge.access()),
                                  fleet.uptime_seconds(), loop->unix_ms() / 1000));
    });
  }

  std::unique_ptr<Loop> loop;
  std::unique_ptr<store::BlobStore> blobs;
  std::unique_ptr<Catalog> catalog;
  std::unique_ptr<FrontendBus> bus;
  std::unique_ptr<StreamHub> hub;
  WorkerThread disk_thread;
  CatalogSync catalog_sync;
  WorkerThread catalog_thread;
  CatalogClient catalog_client;
  Services services;
  DocumentService documents;
  QuestionService questions;
  FleetWatch fleet;
  WsStreamCounters counters;
  Answers answers;
  EdgeServer edge;
  access::TokenFile token_file;
  std::unique_ptr<Timer> token_timer;
};

App::App(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

App::~App() { parts_->answers.clear(); }

Result<std::unique_ptr<App>> App::start(boost::asio::io_context& io, const ServerConfig& config,
                                        EdgeConfig edge) {
  std::error_code failed;
  std::filesystem::create_directories(config.data, failed);
  if (failed) {
    return Error{ErrorCode::kInvalidArgument,
                 "The data folder " + config.data + " cannot be made: " + failed.message()};
  }
  auto blobs = std::make_unique<store::BlobStore>(std::filesystem::path(config.data) / "blobs");
  const std::int64_t now_ms = make_asio_loop(io)->unix_ms();
  auto catalog = Catalog::open(catalog_path(config), *blobs, now_ms);
  if (!catalog) return catalog.error();
  auto parts = std::make_unique<Parts>(io, config, std::move(edge), std::move(blobs), std::move(*catalog));
  parts->add_routes();
  parts->documents.start();
  parts->questions.start();
  if (const auto taken = parts->take_tokens(); !taken) return taken.error();
  parts->follow_tokens();
  const auto ports = parts->edge.listen();
  if (!ports) return ports.error();
  for (const auto port : *ports) log::info("port={} listening", port);
  return std::unique_ptr<App>(new App(std::move(parts)));
}

void App::reload() {
  const auto reloaded = parts_->edge.reload_tls();
  if (!reloaded) log::error("event=reload_failed {}; the old one stays in use", reloaded.error().message);
  if (const auto taken = parts_->take_tokens(); !taken) log::error("{}", taken.error().message);
}

void App::stop(std::function<void()> done) { parts_->edge.stop(std::move(done)); }

}  // namespace answermill::frontend
