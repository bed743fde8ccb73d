#include "broker/queue/ready_queue.h"

#include <algorithm>
#include <queue>

namespace answermill::broker {

double ReadyQueue::cost_of(const messages::JobSpec& job) {
  constexpr double kPage = 4096;
  return job.units > 0 ? job.units : 1.0 + static_cast<double>(job.payload.size()) / kPage;
}

void ReadyQueue::insert(const messages::JobSpec& job, TimePoint now, std::int64_t place) {
  const auto priority = std::min<std::size_t>(static_cast<std::size_t>(job.priority), classes_.size() - 1);
  if (!places_.try_emplace(job.id, Place{priority, job.tenant, place}).second) return;
  Class& members = classes_[priority];
  Share& share = members.shares[job.tenant];
  if (share.jobs.empty()) {
    // Whoever was away has saved nothing up, and owes what it has not worked off.
    members.idle.erase({share.start, job.tenant});
    share.start = std::max(share.start, members.virtual_time);
    members.line.emplace(share.start, job.tenant);
  }
  share.jobs.emplace(place, Waiting{job.id, cost_of(job), now});
  members.ages.emplace(now, job.id);
  ++members.size;
}

// A job leaves its line; with the last one its tenant does.
void ReadyQueue::leave(Class& members, std::map<std::string, Share>::iterator share,
                       std::map<std::int64_t, Waiting>::iterator job) {
  const std::string& tenant = share->first;
  Share& line = share->second;
  members.ages.erase({job->second.since, job->second.job});
  places_.erase(job->second.job);
  line.jobs.erase(job);
  --members.size;
  if (line.jobs.empty()) {
    members.line.erase({line.start, tenant});
    members.parked.erase(tenant);
    line.parked = false;
    members.idle.emplace(line.start, tenant);
  }
  while (!members.idle.empty() && members.idle.begin()->first <= members.virtual_time) {
    members.shares.erase(members.idle.begin()->second);
    members.idle.erase(members.idle.begin());
  }
  if (members.size == 0) {
    members.shares.clear();
    members.idle.clear();
    members.virtual_time = 0;
    members.passed_over = 0;
  }
}

std::string ReadyQueue::take_from(Class& members, const std::string& tenant) {
  const auto found = members.shares.find(tenant);
  Share& share = found->second;
  const auto next = share.jobs.begin();
  std::string job = next->second.job;
  members.line.erase({share.start, found->first});
  members.virtual_time = std::max(members.virtual_time, share.start);
  share.start += next->second.cost / weight(found->first);
  if (share.jobs.size() > 1) members.line.emplace(share.start, found->first);
  leave(members, found, next);
  return job;
}

std::string ReadyQueue::take(Class& members) {
  const std::string tenant = members.line.begin()->second;
  return take_from(members, tenant);
}

// Whoever was at its cap when its turn came may be below it by now.
void ReadyQueue::unpark() {
  if (tenants_ == nullptr || landings_ == tenants_->landings()) return;
  landings_ = tenants_->landings();
  for (auto& members : classes_) {
    for (const auto& tenant : members.parked) {
      Share& share = members.shares.at(tenant);
      share.parked = false;
      share.start = std::max(share.start, members.virtual_time);
      members.line.emplace(share.start, tenant);
    }
    members.parked.clear();
  }
}

bool ReadyQueue::has_flyer(Class& members) {
  while (!members.line.empty()) {
    const auto first = *members.line.begin();
    if (tenants_ == nullptr || tenants_->may_fly(first.second)) return true;
    members.line.erase(members.line.begin());
    members.shares.at(first.second).parked = true;
    members.parked.insert(first.second);
  }
  return false;
}

ReadyQueue::Class* ReadyQueue::choose(TimePoint now) {
  Class* first = nullptr;
  Class* aged = nullptr;
  for (auto& members : classes_) {
    if (members.size == 0 || !has_flyer(members)) continue;
    if (first == nullptr) {
      first = &members;
    } else if (++members.passed_over >= kAgedTurn && now - members.ages.begin()->first >= kAgeing &&
               (aged == nullptr || members.passed_over > aged->passed_over)) {
      aged = &members;
    }
  }
  return aged != nullptr ? aged : first;
}

std::optional<std::string> ReadyQueue::pop(TimePoint now) {
  unpark();
  Class* members = choose(now);
  if (members == nullptr) return std::nullopt;
  members->passed_over = 0;
  return take(*members);
}

bool ReadyQueue::remove(const std::string& job) {
  const auto found = places_.find(job);
  if (found == places_.end()) return false;
  const Place place = found->second;
  Class& members = classes_[place.priority];
  const auto share = members.shares.find(place.tenant);
  leave(members, share, share->second.jobs.find(place.place));
  return true;
}

std::size_t ReadyQueue::ahead(messages::Priority priority) const {
  std::size_t count = 0;
  for (std::size_t i = 0; i <= static_cast<std::size_t>(priority) && i < classes_.size(); ++i) {
    count += classes_[i].size;
  }
  return count;
}

std::vector<std::string> ReadyQueue::next_interactive(std::size_t count) const {
  using Head =
      std::pair<double, std::pair<const std::string*, std::map<std::int64_t, Waiting>::const_iterator>>;
  const auto later = [](const Head& a, const Head& b) {
    return a.first != b.first ? a.first > b.first : *a.second.first > *b.second.first;
  };
  std::priority_queue<Head, std::vector<Head>, decltype(later)> heads(later);
  const Class& members = classes_[0];
  for (const auto& [tenant, share] : members.shares) {
    if (!share.jobs.empty()) heads.push({share.start, {&tenant, share.jobs.begin()}});
  }
  std::vector<std::string> jobs;
  while (!heads.empty() && jobs.size() < count) {
    auto [start, at] = heads.top();
    heads.pop();
    jobs.push_back(at.second->second.job);
    const double next = start + at.second->second.cost / weight(*at.first);
    if (++at.second != members.shares.at(*at.first).jobs.end()) heads.push({next, at});
  }
  return jobs;
}

std::deque<std::string> ReadyQueue::drain() {
  std::deque<std::string> jobs;
  for (auto& members : classes_) {
    for (const auto& tenant : members.parked) {
      members.line.emplace(members.shares.at(tenant).start, tenant);
    }
    members.parked.clear();
    while (!members.line.empty()) jobs.push_back(take(members));
  }
  return jobs;
}

}  // namespace answermill::broker
