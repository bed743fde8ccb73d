#include "broker/queue/ready_queue.h"

#include <algorithm>

namespace answermill::broker {

ReadyQueue::Class& ReadyQueue::class_of(messages::Priority priority) {
  return classes_[std::min<std::size_t>(static_cast<std::size_t>(priority), classes_.size() - 1)];
}

std::deque<ReadyQueue::Waiting>& ReadyQueue::tenant_of(Class& members, const std::string& tenant) {
  auto& waiting = members.tenants[tenant];
  if (waiting.empty()) members.turns.push_back(tenant);
  return waiting;
}

void ReadyQueue::push(const std::string& job, const std::string& tenant, messages::Priority priority,
                      TimePoint now) {
  tenant_of(class_of(priority), tenant).push_back({job, now});
  ++size_;
}

void ReadyQueue::push_front(const std::string& job, const std::string& tenant, messages::Priority priority,
                            TimePoint now) {
  tenant_of(class_of(priority), tenant).push_front({job, now});
  ++size_;
}

std::string ReadyQueue::take(Class& members) {
  const std::string tenant = members.turns.front();
  members.turns.pop_front();
  auto found = members.tenants.find(tenant);
  std::string job = std::move(found->second.front().job);
  found->second.pop_front();
  if (found->second.empty()) {
    members.tenants.erase(found);
  } else {
    members.turns.push_back(tenant);
  }
  --size_;
  return job;
}

std::optional<std::string> ReadyQueue::pop(TimePoint now) {
  Class* best = nullptr;
  std::int64_t best_rank = 0;
  for (std::size_t i = 0; i < classes_.size(); ++i) {
    Class& members = classes_[i];
    if (members.turns.empty()) continue;
    const auto waited = now - members.tenants[members.turns.front()].front().since;
    const auto rank = static_cast<std::int64_t>(i) - waited / kAgeing;
    if (best == nullptr || rank < best_rank) {
      best = &members;
      best_rank = rank;
    }
  }
  if (best == nullptr) return std::nullopt;
  return take(*best);
}

bool ReadyQueue::remove(const std::string& job, const std::string& tenant, messages::Priority priority) {
  Class& members = class_of(priority);
  const auto found = members.tenants.find(tenant);
  if (found == members.tenants.end()) return false;
  auto& waiting = found->second;
  const auto at =
      std::find_if(waiting.begin(), waiting.end(), [&](const Waiting& w) { return w.job == job; });
  if (at == waiting.end()) return false;
  waiting.erase(at);
  if (waiting.empty()) {
    members.tenants.erase(found);
    members.turns.remove(tenant);
  }
  --size_;
  return true;
}

std::deque<std::string> ReadyQueue::drain() {
  std::deque<std::string> jobs;
  for (auto& members : classes_) {
    while (!members.turns.empty()) jobs.push_back(take(members));
  }
  return jobs;
}

}  // namespace answermill::broker
