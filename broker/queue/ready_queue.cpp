#include "broker/queue/ready_queue.h"

#include <algorithm>
#include <queue>

namespace answermill::broker {

double ReadyQueue::cost_of(const messages::JobSpec& job) {
  constexpr double kPage = 4096;
  return job.units > 0 ? job.units : 1.0 + static_cast<double>(job.payload.size()) / kPage;
}

void ReadyQueue::insert(const messages::JobSpec& job, TimePoint now, End end) {
  const auto priority = std::min<std::size_t>(static_cast<std::size_t>(job.priority), classes_.size() - 1);
  const auto [place, is_new] = places_.try_emplace(job.id);
  if (!is_new) return;
  Class& members = classes_[priority];
  const auto found = members.shares.try_emplace(job.tenant).first;
  Share& share = found->second;
  share.tenant = &found->first;
  if (share.jobs.empty()) {
    // Whoever was away has saved nothing up, and owes what it has not worked off.
    members.idle.erase({share.start, job.tenant});
    share.start = std::max(share.start, members.virtual_time);
    members.line.emplace(share.start, job.tenant);
  }
  Waiting& waiting = place->second = {&place->first, &share, priority, cost_of(job), now, {}, {}};
  if (end == End::kFront) {
    share.jobs.push_front(waiting);
  } else {
    share.jobs.push_back(waiting);
  }
  members.ages.push_back(waiting);
  ++members.size;
}

// A job leaves its lines; with the last one its tenant does. Its id remains.
std::string ReadyQueue::leave(Waiting& job) {
  Class& members = classes_[job.priority];
  Share& share = *job.share;
  members.ages.erase(job);
  share.jobs.erase(job);
  std::string id = std::move(places_.extract(*job.job).key());
  --members.size;
  if (share.jobs.empty()) {
    members.line.erase({share.start, *share.tenant});
    members.parked.erase(*share.tenant);
    share.parked = false;
    members.idle.emplace(share.start, *share.tenant);
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
  return id;
}

std::string ReadyQueue::take_from(Class& members, Share& share) {
  Waiting& next = *share.jobs.first();
  members.line.erase({share.start, *share.tenant});
  members.virtual_time = std::max(members.virtual_time, share.start);
  share.start += next.cost / weight(*share.tenant);
  if (share.jobs.behind(next) != nullptr) members.line.emplace(share.start, *share.tenant);
  return leave(next);
}

std::string ReadyQueue::take(Class& members) {
  return take_from(members, members.shares.at(members.line.begin()->second));
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
    } else if (++members.passed_over >= kAgedTurn && now - members.ages.first()->since >= kAgeing &&
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
  leave(found->second);
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
  using Head = std::pair<double, const Waiting*>;
  const auto later = [](const Head& a, const Head& b) {
    return a.first != b.first ? a.first > b.first : *a.second->share->tenant > *b.second->share->tenant;
  };
  std::priority_queue<Head, std::vector<Head>, decltype(later)> heads(later);
  for (const auto& [tenant, share] : classes_[0].shares) {
    if (!share.jobs.empty()) heads.push({share.start, share.jobs.first()});
  }
  std::vector<std::string> jobs;
  while (!heads.empty() && jobs.size() < count) {
    const auto [start, job] = heads.top();
    heads.pop();
    jobs.push_back(*job->job);
    const Waiting* next = Line<&Waiting::in_line>::behind(*job);
    if (next != nullptr) heads.push({start + job->cost / weight(*job->share->tenant), next});
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
