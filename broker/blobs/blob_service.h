// Sends blobs to workers that have no folder in common with us, on a thread, a socket and a ZeroMQ context of
// its own: not one of these bytes passes the loop that hands out jobs.
//
// Memory: at most a few chunks per peer wait in its pipe; what else it asked for waits as an ask.
// Thread: start() and the destructor belong to the thread that made it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "shared/base/mailbox.h"
#include "shared/base/result.h"
#include "shared/bus/refusals.h"

namespace answermill::broker {

struct BlobServiceOptions {
  std::string endpoint;                // ROUTER: workers of this host ask here; empty for none
  std::string folder;                  // of the blob store
  std::uint64_t bytes_per_second = 0;  // of all transfers together; 0 for no limit
  std::string bus = {};                // "tcp://HOST:PORT" for workers of other hosts; empty for none …
  std::string data = {};               // … whose keys are in this data folder
  bus::Refusals* refusals = nullptr;   // counts whom the gate turns away; needed with `bus`
};

class BlobService {
 public:
  // Errors: kUnavailable (the endpoint).
  static Result<std::unique_ptr<BlobService>> start(const BlobServiceOptions& options);
  ~BlobService();

 private:
  class Loop;

  BlobService() = default;

  Mailbox mailbox_;
  Loop* loop_ = nullptr;  // owned by the thread
  std::thread thread_;
};

}  // namespace answermill::broker
