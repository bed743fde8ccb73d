#include "frontend/server/api/fleet_watch.h"

#include <utility>

namespace answermill::frontend {

FleetWatch::FleetWatch(Services& services)
    : services_(services), started_(services.loop.now()), view_(fleet_view(services.bus.fleet())) {
  services_.bus.on_fleet(lifetime_.guard([this](const messages::FleetStatus& status) { changed(status); }));
}

double FleetWatch::uptime_seconds() const {
  return std::chrono::duration<double>(services_.loop.now() - started_).count();
}

void FleetWatch::changed(const messages::FleetStatus& status) {
  FleetView next = fleet_view(status);
  if (next.workers["generate"] == 0) {
    // While it restarts, what it was is the best guess at what it will be.
    next.mode = view_.mode;
    next.model = view_.model;
  }
  const bool same = next.ready == view_.ready && next.workers == view_.workers && next.mode == view_.mode &&
                    next.model == view_.model;
  view_ = std::move(next);
  if (same) return;
  for (auto* listener : std::set(listeners_)) {
    if (listeners_.contains(listener)) listener->on_fleet(view_);
  }
}

}  // namespace answermill::frontend
