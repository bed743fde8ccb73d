// What the Core does not take from a peer, and what becomes of peers that were cut off.
#include "broker/core/core.h"
#include "shared/log/log.h"
#include "shared/messages/codec.h"

namespace answermill::broker {

using namespace messages;

void Core::refuse_bytes(std::string_view bytes, std::string_view channel) {
  ++malformed_;
  const bool other_version = !bytes.empty() && static_cast<std::uint8_t>(bytes[0]) != kProtocolVersion;
  const auto why = bytes.size() > kMaxMessageBytes ? bus::Refusal::kOversize
                   : other_version                 ? bus::Refusal::kVersion
                                                   : bus::Refusal::kMalformed;
  output_.refused(why, channel);
}

// A key may greet for the stages of its roles only, and never in the name of another key's worker.
bool Core::may_greet(const Hello& hello, const bus::Peer& from) const {
  if (!from.may_serve(hello.stage)) return false;
  const auto known = workers_.find(hello.worker);
  return known == workers_.end() ||
         (known->second.peer.key == from.key && known->second.hello.stage == hello.stage);
}

// Fences can be guessed, so a fence alone does not make a stranger the writer of a stream.
bool Core::is_writer(const Stream& stream, const bus::Peer& from) const {
  const auto job = jobs_.find(stream.owner);
  if (job == jobs_.end()) return false;
  const auto worker = workers_.find(job->second.worker);
  return worker != workers_.end() && worker->second.peer.key == from.key;
}

// A connection over the network may break and come back: the worker keeps its jobs until its silence counts.
void Core::cut_off(Worker& worker, TimePoint now) {
  by_route_.erase(worker.route);
  worker.route.clear();
  worker.away = true;
  worker.heard = now;
}

void Core::on_peers_dropped(const std::set<std::string>& revoked, bus::RoleSet roles, TimePoint now) {
  std::vector<std::string> gone;
  for (auto& [name, worker] : workers_) {
    if (worker.peer.key.empty()) continue;
    const auto role = bus::role_for_stage(worker.hello.stage);
    if (revoked.count(worker.peer.key) != 0) {
      gone.push_back(name);
    } else if (role && roles.has(*role) && !worker.away) {
      cut_off(worker, now);
    }
  }
  for (const auto& name : gone) lose_worker(name, Loss::kLeft, now);
  dispatch(now);
}

}  // namespace answermill::broker
