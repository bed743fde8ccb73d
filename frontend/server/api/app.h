// The whole frontend, wired: catalog, bus, services, routes and sessions on one loop.
//
// Thread: the loop's, plus one for the catalog and one for the disk. Owns everything it makes.
#pragma once

#include <functional>
#include <memory>

#include "frontend/server/api/server_config.h"
#include "shared/base/result.h"

namespace answermill::frontend {

class App {
 public:
  // Opens the catalog, joins the bus and listens. Errors: what the catalog and the edge say.
  static Result<std::unique_ptr<App>> start(boost::asio::io_context& io, const ServerConfig& config,
                                            EdgeConfig edge);
  ~App();

  // Tells clients to come back later; `done` when nobody is connected any more.
  void stop(std::function<void()> done);

  // Reads again what may change while it runs: the certificate and its key, and the tokens (which are looked
  // at every second anyway). Logs what is wrong with them.
  void reload();

 private:
  struct Parts;
  explicit App(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace answermill::frontend
