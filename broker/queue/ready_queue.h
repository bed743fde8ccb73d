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
// Pure; time is given. Thread: none of its own. push, pop and remove cost O(log tenants).
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
  ReadyQueue(ReadyQueue&&) = default;  // what is moved from may only be destroyed
  ReadyQueue& operator=(ReadyQueue&&) = delete;
  ReadyQueue(const ReadyQueue&) = delete;
  ~ReadyQueue() = default;

  // What a job counts against its tenant's share: its units, or its size in pages of 4 KiB.
  static double cost_of(const messages::JobSpec& job);

  void push(const messages::JobSpec& job, TimePoint now) { insert(job, now, End::kBack); }
  // Before the other jobs of its tenant and class: a job that is given back untouched.
  void push_front(const messages::JobSpec& job, TimePoint now) { insert(job, now, End::kFront); }
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
  struct Share;
  struct Waiting;
  struct Links {
    Waiting* before = nullptr;
    Waiting* behind = nullptr;
  };
  // A job stands in two lines, its tenant's and that of all of its class by age, and is a link of both: with
  // a million of them waiting, what each one asks of the allocator and the caches is what a start takes.
  struct Waiting {
    const std::string* job = nullptr;  // its key in places_
    Share* share = nullptr;
    std::size_t priority = 0;
    double cost = 0;
    TimePoint since{};
    Links in_line;
    Links by_age;
  };

  template <Links Waiting::*links>
  class Line {
   public:
    bool empty() const { return first_ == nullptr; }
    Waiting* first() const { return first_; }
    static Waiting* behind(const Waiting& job) { return (job.*links).behind; }
    void push_back(Waiting& job) {
      job.*links = {last_, nullptr};
      (last_ == nullptr ? first_ : (last_->*links).behind) = &job;
      last_ = &job;
    }
    void push_front(Waiting& job) {
      job.*links = {nullptr, first_};
      (first_ == nullptr ? last_ : (first_->*links).before) = &job;
      first_ = &job;
    }
    void erase(Waiting& job) {
      const Links& at = job.*links;
      (at.before == nullptr ? first_ : (at.before->*links).behind) = at.behind;
      (at.behind == nullptr ? last_ : (at.behind->*links).before) = at.before;
    }

   private:
    Waiting* first_ = nullptr;
    Waiting* last_ = nullptr;
  };

  struct Share {
    const std::string* tenant = nullptr;  // its key in Class::shares
    Line<&Waiting::in_line> jobs;
    double start = 0;     // virtual time at which its next job may begin
    bool parked = false;  // at its cap when last looked at
  };
  struct Class {
    std::map<std::string, Share> shares;            // tenants that wait or whose last job still counts
    std::set<std::pair<double, std::string>> line;  // (start, tenant): waiting and not parked
    std::set<std::pair<double, std::string>> idle;  // (start, tenant): nothing waits
    Line<&Waiting::by_age> ages;
    std::set<std::string> parked;
    double virtual_time = 0;
    std::uint32_t passed_over = 0;  // pops that went elsewhere since it had one
    std::size_t size = 0;
  };
  enum class End { kFront, kBack };

  void insert(const messages::JobSpec& job, TimePoint now, End end);
  void unpark();
  Class* choose(TimePoint now);
  bool has_flyer(Class& members);
  std::string take(Class& members);
  std::string take_from(Class& members, Share& share);
  std::string leave(Waiting& job);
  double weight(const std::string& tenant) const {
    return tenants_ == nullptr ? 1.0 : tenants_->weight(tenant);
  }

  const Tenants* tenants_;
  std::array<Class, 3> classes_;
  std::unordered_map<std::string, Waiting> places_;
  std::uint64_t landings_ = 0;
};

}  // namespace answermill::broker
