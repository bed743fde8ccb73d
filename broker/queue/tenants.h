// Who shares the fleet: each tenant's weight, what it has in flight, and what it keeps open.
//
// Pure. Thread: none of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/queue/drain_rate.h"
#include "shared/base/result.h"

namespace answermill::broker {

struct TenantLimits {
  std::vector<std::pair<std::string, double>> weights;  // shares where tenants compete; 1 for the others
  std::size_t max_in_flight = 4096;                     // jobs at workers at once
  std::size_t max_open_jobs = 250'000;                  // beyond this submissions are refused
  std::size_t max_open_streams = 50'000;
};

inline constexpr double kLeastWeight = 0.01;
inline constexpr double kMostWeight = 1000;

// "a=3,b=0.5" into limits.weights. Errors: kInvalidArgument.
Status parse_weights(std::string_view text, TenantLimits& limits);
std::string show_weights(const TenantLimits& limits);

class Tenants {
 public:
  explicit Tenants(const TenantLimits& limits)
      : limits_(limits), weights_(limits.weights.begin(), limits.weights.end()) {}

  double weight(const std::string& tenant) const {
    const auto found = weights_.find(tenant);
    return found == weights_.end() || found->second <= 0 ? 1.0 : found->second;
  }

  void job_opened(const std::string& tenant) { ++use_[tenant].jobs; }
  void job_closed(const std::string& tenant) { lower(tenant, &Use::jobs, &Use::jobs_closed); }
  void stream_opened(const std::string& tenant) { ++use_[tenant].streams; }
  void stream_closed(const std::string& tenant) { lower(tenant, &Use::streams, &Use::streams_closed); }
  void flight_begun(const std::string& tenant) { ++use_[tenant].in_flight; }
  void flight_ended(const std::string& tenant) {
    if (!may_fly(tenant)) ++landings_;
    lower(tenant, &Use::in_flight);
  }

  bool may_fly(const std::string& tenant) const { return use(tenant).in_flight < limits_.max_in_flight; }
  bool may_open_job(const std::string& tenant) const { return use(tenant).jobs < limits_.max_open_jobs; }
  bool may_open_stream(const std::string& tenant) const {
    return use(tenant).streams < limits_.max_open_streams;
  }
  // Grows whenever a tenant that was at its cap may fly again.
  std::uint64_t landings() const { return landings_; }
  std::size_t open_jobs(const std::string& tenant) const { return use(tenant).jobs; }
  std::size_t in_flight(const std::string& tenant) const { return use(tenant).in_flight; }
  // When a tenant that is at its bound of open jobs, or of open streams, should try again.
  std::chrono::milliseconds refuse_job(const std::string& tenant, DrainRate::TimePoint now) {
    Use& use = use_[tenant];
    return use.jobs_drain.refuse(use.jobs_closed, now);
  }
  std::chrono::milliseconds refuse_stream(const std::string& tenant, DrainRate::TimePoint now) {
    Use& use = use_[tenant];
    return use.streams_drain.refuse(use.streams_closed, now);
  }
  std::size_t known() const { return use_.size(); }  // tenants with anything open

 private:
  struct Use {
    std::size_t jobs = 0;
    std::size_t streams = 0;
    std::size_t in_flight = 0;
    std::uint64_t jobs_closed = 0;
    std::uint64_t streams_closed = 0;
    DrainRate jobs_drain;
    DrainRate streams_drain;
  };

  const Use& use(const std::string& tenant) const {
    static const Use kNone;
    const auto found = use_.find(tenant);
    return found == use_.end() ? kNone : found->second;
  }
  void lower(const std::string& tenant, std::size_t Use::*count, std::uint64_t Use::*closed = nullptr) {
    const auto found = use_.find(tenant);
    if (found == use_.end()) return;
    Use& use = found->second;
    if (use.*count > 0) --(use.*count);
    if (closed != nullptr) ++(use.*closed);
    if (use.jobs == 0 && use.streams == 0 && use.in_flight == 0) use_.erase(found);
  }

  TenantLimits limits_;
  std::map<std::string, double> weights_;
  std::unordered_map<std::string, Use> use_;
  std::uint64_t landings_ = 0;
};

}  // namespace answermill::broker
