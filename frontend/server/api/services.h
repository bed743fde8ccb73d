// What every part of the API stands on; wired once in app.cpp, by fakes in the tests.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "frontend/server/api/loop.h"
#include "frontend/server/bus/frontend_bus.h"
#include "frontend/server/catalog/catalog.h"
#include "frontend/server/catalog/catalog_sync.h"
#include "frontend/server/catalog/worker_thread.h"
#include "frontend/server/dialects/views.h"
#include "frontend/server/dialects/ws_stream.h"
#include "frontend/server/streams/stream_hub.h"
#include "shared/store/blob_store.h"

namespace answermill::frontend {

inline constexpr char kTenant[] = "default";

// The catalog behind its thread.
//
// Thread: run() on the loop; `work` runs on the catalog's thread, `done` on the loop again.
class CatalogClient {
 public:
  // Without `sync` the catalog does its disk work by itself.
  CatalogClient(Loop& loop, Executor& executor, Catalog& catalog, CatalogSync* sync = nullptr)
      : loop_(loop), executor_(executor), catalog_(catalog), sync_(sync) {}

  template <class Work, class Done>
  void run(Work work, Done done) {
    executor_.post([this, work = std::move(work), done = std::move(done)]() mutable {
      loop_.post([done = std::move(done), result = work(catalog_)]() mutable { done(std::move(result)); });
      tend();
    });
  }

  // For the record stage, which answers from the catalog's thread itself.
  void post(std::function<void(Catalog&)> work) {
    executor_.post([this, work = std::move(work)] {
      work(catalog_);
      tend();
    });
  }

 private:
  void tend() {
    if (sync_ != nullptr) sync_->tend(catalog_);
  }

  Loop& loop_;
  Executor& executor_;
  Catalog& catalog_;
  CatalogSync* sync_;
};

struct Services {
  Loop& loop;
  FrontendBus& bus;
  StreamHub& hub;
  CatalogClient& catalog;
  Executor& disk;
  store::BlobStore& blobs;
  ServerFacts facts;
  ws_stream::Settings settings;  // k, distance threshold and what the model servers are told
};

}  // namespace answermill::frontend
