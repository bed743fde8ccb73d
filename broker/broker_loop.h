// The broker's sockets and its loop: carries messages between ZeroMQ, the journal and the Core.
//
// Thread: run() owns every socket; the journal's writer posts its commits into the loop's mailbox.
#pragma once

#include <string>

#include "broker/core/core.h"
#include "shared/base/result.h"

namespace answermill::broker {

struct BrokerOptions {
  std::string data;           // folder of journal.sqlite
  std::string jobs;           // PULL: submissions
  std::string work;           // ROUTER: workers
  std::string events;         // XPUB: frontends
  std::string worker_events;  // XSUB: workers
  std::string query;          // ROUTER: replay
  CoreConfig core;
};

// Blocks until SIGTERM or SIGINT. Errors: kUnavailable (an endpoint), kDamaged or kDiskFull (the journal).
Status run_broker(const BrokerOptions& options);

}  // namespace answermill::broker
