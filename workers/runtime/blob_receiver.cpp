#include "workers/runtime/blob_receiver.h"

#include <algorithm>
#include <utility>

namespace answermill::runtime {

using messages::BlobChunk;

BlobStep BlobReceiver::begin(std::uint64_t have, TimePoint now) {
  BlobStep step;
  next_ = asked_to_ = have;
  heard_ = now;
  silence_ = config_.stall;
  ask_again_at_ = now + silence_;
  ask_more(step);
  return step;
}

void BlobReceiver::ask(std::uint64_t offset, BlobStep& step) {
  step.asks.push_back({transfer_, hash_, offset, config_.chunk});
}

// One chunk until the size is known, so that nothing is asked for beyond the end.
void BlobReceiver::ask_more(BlobStep& step) {
  if (!size_) {
    if (under_way_.insert(next_).second) ask(next_, step);
    asked_to_ = next_ + config_.chunk;
    return;
  }
  const std::uint64_t window_end = std::min(*size_, next_ + std::uint64_t{config_.window} * config_.chunk);
  for (; asked_to_ < window_end; asked_to_ += config_.chunk) {
    under_way_.insert(asked_to_);
    ask(asked_to_, step);
  }
}

bool BlobReceiver::acceptable(const BlobChunk& chunk, std::size_t bytes) const {
  if (size_ && chunk.size != *size_) return false;
  const std::uint64_t left = chunk.offset < chunk.size ? chunk.size - chunk.offset : 0;
  return bytes == std::min<std::uint64_t>(left, config_.chunk);
}

BlobStep BlobReceiver::on_chunk(const BlobChunk& chunk, std::string bytes, TimePoint now) {
  BlobStep step;
  if (state_ != State::kReceiving || under_way_.count(chunk.offset) == 0 ||
      !acceptable(chunk, bytes.size())) {
    counts_.duplicate += bytes.size();
    return step;
  }
  under_way_.erase(chunk.offset);
  // Gaps between arrivals are the link's pace: being slow is no silence.
  silence_ = std::clamp(4 * std::chrono::ceil<std::chrono::milliseconds>(now - heard_), config_.stall,
                        config_.stall_most);
  heard_ = now;
  ask_again_at_ = now + silence_;
  if (!size_) {
    size_ = chunk.size;
    step.size_known = true;
    if (next_ > *size_) {  // what another process left is no beginning of it
      start_over(step);
      return step;
    }
  }
  if (chunk.offset == next_) {
    take(std::move(bytes), step);
    for (auto held = arrived_.begin(); held != arrived_.end() && held->first == next_;
         held = arrived_.erase(held))
      take(std::move(held->second), step);
  } else {
    arrived_.emplace(chunk.offset, std::move(bytes));
  }
  if (next_ >= *size_) {
    state_ = State::kVerifying;
    step.verify = true;
  } else {
    ask_more(step);
  }
  return step;
}

void BlobReceiver::take(std::string bytes, BlobStep& step) {
  next_ += bytes.size();
  counts_.received += bytes.size();
  if (!bytes.empty()) step.append.push_back(std::move(bytes));
}

void BlobReceiver::start_over(BlobStep& step) {
  state_ = State::kReceiving;
  step.start_over = true;
  next_ = asked_to_ = 0;
  arrived_.clear();
  under_way_.clear();
  ask_more(step);
}

BlobStep BlobReceiver::on_refused(const messages::BlobRefused& refused) {
  BlobStep step;
  // A busy broker is asked again after a while, like a silent one.
  if (state_ == State::kReceiving && refused.code != ErrorCode::kBusy)
    fail({refused.code, refused.message}, step);
  return step;
}

BlobStep BlobReceiver::on_verified(bool matches, TimePoint now) {
  BlobStep step;
  if (state_ != State::kVerifying) return step;
  if (matches) {
    state_ = State::kOver;
    return step;
  }
  if (++counts_.damaged >= config_.damaged_most) {
    fail({ErrorCode::kDamaged, "the stored bytes are not those that were uploaded; upload the file again"},
         step);
    return step;
  }
  heard_ = now;
  ask_again_at_ = now + silence_;
  start_over(step);
  return step;
}

BlobStep BlobReceiver::on_tick(TimePoint now) {
  BlobStep step;
  if (state_ != State::kReceiving) return step;
  if (now - heard_ >= config_.patience) {
    fail({ErrorCode::kUnavailable, "the broker has sent nothing of the document for " +
                                       std::to_string(config_.patience.count() / 1000) + " s"},
         step);
    return step;
  }
  if (now < ask_again_at_) return step;
  for (const auto offset : under_way_) ask(offset, step);
  ++counts_.asked_again;
  silence_ = std::min(2 * silence_, config_.stall_most);
  ask_again_at_ = now + silence_;
  return step;
}

BlobReceiver::TimePoint BlobReceiver::next_tick() const {
  if (state_ != State::kReceiving) return TimePoint::max();
  return std::min(ask_again_at_, heard_ + config_.patience);
}

void BlobReceiver::fail(Error error, BlobStep& step) {
  state_ = State::kOver;
  arrived_.clear();
  under_way_.clear();
  step.failed = std::move(error);
}

}  // namespace answermill::runtime
