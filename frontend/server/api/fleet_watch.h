// The fleet as clients care about it, and who wants to know when that changes.
//
// Thread: the loop.
#pragma once

#include <chrono>
#include <set>

#include "frontend/server/api/services.h"

namespace answermill::frontend {

class FleetListener {
 public:
  virtual ~FleetListener() = default;
  virtual void on_fleet(const FleetView& fleet) = 0;
};

class FleetWatch {
 public:
  explicit FleetWatch(Services& services);

  const FleetView& view() const { return view_; }
  const messages::FleetStatus& status() const { return services_.bus.fleet(); }
  double uptime_seconds() const;  // of this process

  void listen(FleetListener& listener) { listeners_.insert(&listener); }
  void leave(FleetListener& listener) { listeners_.erase(&listener); }

 private:
  void changed(const messages::FleetStatus& status);

  Services& services_;
  std::chrono::steady_clock::time_point started_;
  FleetView view_;
  std::set<FleetListener*> listeners_;
  Lifetime lifetime_;
};

}  // namespace answermill::frontend
