// The jobs of one stage that may run now, in the order they should.
//
// Interactive before normal before bulk, with ageing: a job waiting longer than kAgeing per class counts as
// one class higher. Within a class tenants take turns (round robin), each first in, first out.
//
// Pure; time is given. Thread: none of its own.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <string>

#include "shared/messages/jobs.h"

namespace answermill::broker {

using TimePoint = std::chrono::steady_clock::time_point;

class ReadyQueue {
 public:
  static constexpr std::chrono::seconds kAgeing{30};

  void push(const std::string& job, const std::string& tenant, messages::Priority priority, TimePoint now);
  // To the front of its class: a job that is given back untouched.
  void push_front(const std::string& job, const std::string& tenant, messages::Priority priority,
                  TimePoint now);
  std::optional<std::string> pop(TimePoint now);
  // Takes a job out wherever it stands (cancel); false when it is not here. Linear in the class.
  bool remove(const std::string& job, const std::string& tenant, messages::Priority priority);
  std::size_t size() const { return size_; }
  // Everything, in order of popping without ageing; empties the queue.
  std::deque<std::string> drain();

 private:
  struct Waiting {
    std::string job;
    TimePoint since;
  };
  struct Class {
    std::map<std::string, std::deque<Waiting>> tenants;
    std::list<std::string> turns;  // tenants with jobs, whose turn is next first
  };

  Class& class_of(messages::Priority priority);
  std::deque<Waiting>& tenant_of(Class& members, const std::string& tenant);
  std::string take(Class& members);

  std::array<Class, 3> classes_;
  std::size_t size_ = 0;
};

}  // namespace answermill::broker
