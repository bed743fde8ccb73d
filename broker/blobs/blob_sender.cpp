#include "broker/blobs/blob_sender.h"

#include <algorithm>

namespace answermill::broker {

using messages::BlobAsk;
using std::chrono::milliseconds;

namespace {
constexpr std::size_t kHashCharacters = 64;
// Unused rate is saved up for so long.
constexpr milliseconds kBurst{50};
}  // namespace

BlobSender::Ring::iterator BlobSender::transfer(const std::string& route, std::uint64_t number) {
  const auto [found, is_new] = transfers_.try_emplace({route, number}, ring_.end());
  if (is_new) found->second = ring_.insert(ring_.end(), Transfer{route, number, {}});
  return found->second;
}

void BlobSender::erase(Ring::iterator at) {
  transfers_.erase({at->route, at->number});
  ring_.erase(at);
}

void BlobSender::forget_asks(const std::string& route, std::size_t count) {
  const auto peer = peers_.find(route);
  if (peer == peers_.end()) return;
  peer->second.asks -= std::min(count, peer->second.asks);
  if (peer->second.asks == 0) peers_.erase(peer);
}

BlobSender::Taken BlobSender::on_ask(const std::string& route, BlobAsk ask) {
  if (ask.length == 0 || ask.length > messages::kBlobChunkBytes || ask.hash.size() != kHashCharacters)
    return Taken::kMalformed;
  if (const auto known = transfers_.find({route, ask.transfer}); known != transfers_.end()) {
    const auto& asks = known->second->asks;
    const bool waits = std::any_of(asks.begin(), asks.end(), [&](const BlobAsk& other) {
      return other.offset == ask.offset && other.hash == ask.hash;
    });
    if (waits) return Taken::kRepeated;
  }
  if (waiting(route) >= config_.most_asks) return Taken::kDropped;
  ++peers_[route].asks;
  transfer(route, ask.transfer)->asks.push_back(std::move(ask));
  return Taken::kQueued;
}

void BlobSender::on_stop(const std::string& route, std::uint64_t number) {
  const auto found = transfers_.find({route, number});
  if (found == transfers_.end()) return;
  forget_asks(route, found->second->asks.size());
  erase(found->second);
}

std::optional<BlobSender::Turn> BlobSender::next(TimePoint now) {
  if (now < free_at_) return std::nullopt;
  for (auto left = ring_.size(); left > 0; --left) {
    const auto front = ring_.begin();
    ring_.splice(ring_.end(), ring_, front);  // whatever comes of it, the others are next
    if (now < peers_[front->route].full_until) continue;
    Turn turn{front->route, std::move(front->asks.front())};
    front->asks.pop_front();
    if (front->asks.empty()) erase(front);
    forget_asks(turn.route, 1);
    return turn;
  }
  return std::nullopt;
}

void BlobSender::sent(std::uint64_t bytes, TimePoint now) {
  if (config_.bytes_per_second == 0) return;
  const auto cost = std::chrono::nanoseconds(bytes * 1'000'000'000 / config_.bytes_per_second);
  free_at_ = std::max(free_at_, now - kBurst) + cost;
}

void BlobSender::full(Turn turn, TimePoint now) {
  Peer& peer = peers_[turn.route];
  ++peer.asks;
  peer.full_until = now + config_.full_wait;
  transfer(turn.route, turn.ask.transfer)->asks.push_front(std::move(turn.ask));
}

void BlobSender::gone(const std::string& route) {
  const auto begin = transfers_.lower_bound({route, 0});
  auto end = begin;
  while (end != transfers_.end() && end->first.first == route) ring_.erase((end++)->second);
  transfers_.erase(begin, end);
  peers_.erase(route);
}

milliseconds BlobSender::wait(TimePoint now) const {
  TimePoint earliest = TimePoint::max();
  for (const auto& transfer : ring_) {
    earliest = std::min(earliest, peers_.at(transfer.route).full_until);
    if (earliest <= now) break;
  }
  earliest = std::max(earliest, free_at_);
  if (earliest <= now) return milliseconds(0);
  return std::chrono::ceil<milliseconds>(earliest - now);
}

std::size_t BlobSender::waiting(const std::string& route) const {
  const auto peer = peers_.find(route);
  return peer == peers_.end() ? 0 : peer->second.asks;
}

}  // namespace answermill::broker
