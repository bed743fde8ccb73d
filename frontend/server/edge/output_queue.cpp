#include "frontend/server/edge/output_queue.h"

#include <algorithm>
#include <array>
#include <utility>

namespace answermill::frontend {
namespace {

constexpr std::size_t kMaximumPieces = 16;
constexpr std::size_t kKeepCapacity = 16 * 1024;  // kept between turns of steady traffic

}  // namespace

void OutputQueue::append(std::string_view bytes) {
  if (bytes.empty()) return;
  size_ += bytes.size();
  const bool joinable =
      first_ < segments_.size() && !segments_.back().shared && segments_.back().own.size() < kWriteBytes;
  if (joinable) {
    segments_.back().own.append(bytes);
  } else {
    segments_.push_back({std::string(bytes), nullptr});
  }
}

void OutputQueue::append(std::string&& bytes) {
  constexpr std::size_t kWorthMoving = 4096;
  if (bytes.size() < kWorthMoving) return append(std::string_view(bytes));
  size_ += bytes.size();
  segments_.push_back({std::move(bytes), nullptr});
}

void OutputQueue::append(std::shared_ptr<const std::string> bytes) {
  if (!bytes || bytes->empty()) return;
  size_ += bytes->size();
  segments_.push_back({{}, std::move(bytes)});
}

OutputQueue::Outcome OutputQueue::write_to(Transport& transport, std::size_t budget, std::size_t& written) {
  while (size_ > 0) {
    if (budget == 0) return Outcome::kMore;
    std::array<iovec, kMaximumPieces> pieces{};
    std::size_t count = 0;
    std::size_t total = 0;
    std::size_t offset = offset_;
    const std::size_t limit = std::min(budget, kWriteBytes);
    for (std::size_t i = first_; i < segments_.size() && count < pieces.size() && total < limit;
         ++i, offset = 0) {
      const std::string_view view = segments_[i].view().substr(offset);
      const std::size_t length = std::min(view.size(), limit - total);
      pieces[count++] = {const_cast<char*>(view.data()), length};
      total += length;
    }
    const auto taken = transport.write(pieces.data(), count);
    consume(taken.bytes);
    written += taken.bytes;
    budget -= taken.bytes;
    switch (taken.status) {
      case Transport::Status::kDone:
        break;
      case Transport::Status::kWantWrite:
        return Outcome::kBlocked;
      case Transport::Status::kWantRead:
        return Outcome::kAwaitingPeer;
      case Transport::Status::kEnd:
      case Transport::Status::kPlaintext:
      case Transport::Status::kFailed:
        return Outcome::kFailed;
    }
  }
  return Outcome::kEmpty;
}

void OutputQueue::consume(std::size_t bytes) {
  size_ -= bytes;
  while (bytes > 0) {
    const std::size_t left = segments_[first_].view().size() - offset_;
    if (bytes < left) {
      offset_ += bytes;
      return;
    }
    bytes -= left;
    offset_ = 0;
    if (first_ + 1 < segments_.size()) segments_[first_] = {};
    ++first_;
  }
  if (first_ < segments_.size()) return;
  // Empty: keep one small buffer for the next turn, so that steady traffic does not allocate.
  std::string reuse = std::move(segments_.back().own);
  segments_.resize(1);
  segments_.front() = {};
  first_ = 1;
  if (reuse.capacity() > kKeepCapacity) return clear();
  reuse.clear();
  segments_.front().own = std::move(reuse);
  first_ = 0;
}

void OutputQueue::clear() {
  segments_ = {};
  first_ = 0;
  offset_ = 0;
  size_ = 0;
}

}  // namespace answermill::frontend
