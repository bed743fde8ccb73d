// The jobs of one stage, or of one worker, that may run now, in the order they should.
//
// Interactive before normal before bulk. A class that is passed over for long is not forgotten: while its
// oldest job has waited kAgeing or more, one pop in kAgedTurn is its own. So nothing starves, and a backlog
// of any depth takes no more than that from the questions of people who wait.
//
// Within a class tenants share by weight (start-time fair queueing: what deficit round-robin approximates,
// with an error of one job however large the costs); each tenant's own jobs go first in, first out. A tenant
// with as many jobs in flight as it may have stands aside.
// Source: Goyal, Vin, Cheng: Start-time Fair Queueing, SIGCOMM 1996.
//
// Pure; time is given. Thread: none of its own. push, pop and remove cost O(log n).
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/queue/tenants.h"
#include "shared/messages/jobs.h"

namespace answermill::broker {

using TimePoint = std::chrono::steady_clock::time_point;

class ReadyQueue {
 public:
  static constexpr std::chrono::seconds kAgeing{30};
  static constexpr std::uint32_t kAgedTurn = 16;

  // `tenants` must outlive the queue; without, all weigh the same and nobody is capped.
  explicit ReadyQueue(const Tenants* tenants = nullptr) : tenants_(tenants) {}

  // What a job counts against its tenant's share: its units, or its size in pages of 4 KiB.
  static double cost_of(const messages::JobSpec& job);

  void push(const messages::JobSpec& job, TimePoint now) { insert(job, now, ++last_); }
  // Before the other jobs of its tenant and class: a job that is given back untouched.
  void push_front(const messages::JobSpec& job, TimePoint now) { insert(job, now, --first_); }
  // Nothing when empty, or when every tenant with jobs is at its cap.
  std::optional<std::string> pop(TimePoint now);
  // Takes a job out wherever it stands (cancel); false when it is not here.
  bool remove(const std::string& job);
  std::size_t size() const { return places_.size(); }
  // Jobs of this class and those before it: about how many go before one that comes now.
  std::size_t ahead(messages::Priority priority) const;
  // The next `count` interactive jobs in the order of popping, as long as no others come.
  std::vector<std::string> next_interactive(std::size_t count) const;
  // Everything, in order of popping without ageing and caps; empties the queue.
  std::deque<std::string> drain();

 private:
  struct Waiting {
    std::string job;
    double cost;
    TimePoint since;
  };
  struct Share {
    std::map<std::int64_t, Waiting> jobs;  // by place in line
    double start = 0;                      // virtual time at which its next job may begin
    bool parked = false;                   // at its cap when last looked at
  };
  struct Class {
    std::map<std::string, Share> shares;            // tenants that wait or whose last job still counts
    std::set<std::pair<double, std::string>> line;  // (start, tenant): waiting and not parked
    std::set<std::pair<double, std::string>> idle;  // (start, tenant): nothing waits
    std::set<std::pair<TimePoint, std::string>> ages;
    std::set<std::string> parked;
    double virtual_time = 0;
    std::uint32_t passed_over = 0;  // pops that went elsewhere since it had one
    std::size_t size = 0;
  };
  struct Place {
    std::size_t priority;
    std::string tenant;
    std::int64_t place;
  };

  void insert(const messages::JobSpec& job, TimePoint now, std::int64_t place);
  void unpark();
  Class* choose(TimePoint now);
  bool has_flyer(Class& members);
  std::string take(Class& members);
  std::string take_from(Class& members, const std::string& tenant);
  void leave(Class& members, std::map<std::string, Share>::iterator share,
             std::map<std::int64_t, Waiting>::iterator job);
  double weight(const std::string& tenant) const {
    return tenants_ == nullptr ? 1.0 : tenants_->weight(tenant);
  }

  const Tenants* tenants_;
  std::array<Class, 3> classes_;
  std::unordered_map<std::string, Place> places_;
  std::int64_t first_ = 0;
  std::int64_t last_ = 0;
  std::uint64_t landings_ = 0;
};

}  // namespace answermill::broker
