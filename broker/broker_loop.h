// The broker's sockets and its loop: carries messages between ZeroMQ, the journal and the Core.
//
// Thread: run() owns every socket; the journal's writer posts its commits into the loop's mailbox.
#pragma once

#include <cstdint>
#include <string>

#include "broker/core/core.h"
#include "shared/base/result.h"

namespace answermill::broker {

struct BrokerOptions {
  std::string data;            // folder of journal.sqlite
  std::string jobs;            // PULL: submissions
  std::string work;            // ROUTER: workers
  std::string events;          // XPUB: frontends
  std::string worker_events;   // XSUB: workers
  std::string query;           // ROUTER: replay
  std::string blobs;           // ROUTER: bytes for workers without the data folder; empty for none
  std::int64_t blob_rate = 0;  // bytes a second, of all transfers together; 0 for no limit
  std::string bus;             // "tcp://HOST:PORT" for peers from other hosts; empty for none
  CoreConfig core;
};

// Blocks until SIGTERM or SIGINT. Errors: kUnavailable (an endpoint), kDamaged or kDiskFull (the journal).
Status run_broker(const BrokerOptions& options);

}  // namespace answermill::broker
