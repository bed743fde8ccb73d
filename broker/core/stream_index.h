// Finds a stream by its id in two looks at memory, as every event must: a flat table of hashes and places
// beside the map that owns the streams, whose nodes, keys and buckets lie far apart.
//
// Pure. Thread: none of its own. Owns: nothing; a value must stay where it is until it is erased here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace answermill::broker {

// `Value` tells its id by `std::string_view id() const`.
template <class Value>
class StreamIndex {
 public:
  Value* find(std::string_view id) const {
    if (count_ == 0) return nullptr;
    const std::uint64_t hash = hash_of(id);
    for (std::size_t i = hash & mask(); places_[i].value != nullptr; i = (i + 1) & mask()) {
      if (places_[i].hash == hash && places_[i].value->id() == id) return places_[i].value;
    }
    return nullptr;
  }

  // It must not be here yet.
  void insert(Value& value) {
    if (2 * (count_ + 1) > places_.size()) grow();
    put({hash_of(value.id()), &value});
    ++count_;
  }

  void erase(const Value& value) {
    if (count_ == 0) return;
    std::size_t hole = hash_of(value.id()) & mask();
    while (places_[hole].value != &value) {
      if (places_[hole].value == nullptr) return;
      hole = (hole + 1) & mask();
    }
    places_[hole].value = nullptr;
    --count_;
    // What was put behind it for want of this place moves up, so that a search may end at the first hole.
    for (std::size_t i = (hole + 1) & mask(); places_[i].value != nullptr; i = (i + 1) & mask()) {
      const std::size_t home = places_[i].hash & mask();
      if (((i - home) & mask()) < ((i - hole) & mask())) continue;
      places_[hole] = places_[i];
      places_[i].value = nullptr;
      hole = i;
    }
  }

  std::size_t size() const { return count_; }

 private:
  struct Place {
    std::uint64_t hash = 0;
    Value* value = nullptr;
  };
  static constexpr std::size_t kLeast = 64;

  static std::uint64_t hash_of(std::string_view id) { return std::hash<std::string_view>{}(id); }
  std::size_t mask() const { return places_.size() - 1; }

  void put(Place place) {
    std::size_t i = place.hash & mask();
    while (places_[i].value != nullptr) i = (i + 1) & mask();
    places_[i] = place;
  }

  void grow() {
    std::vector<Place> before(places_.empty() ? kLeast : 2 * places_.size());
    before.swap(places_);
    for (const auto& place : before) {
      if (place.value != nullptr) put(place);
    }
  }

  std::vector<Place> places_;  // a power of two of them, at most half full
  std::size_t count_ = 0;
};

}  // namespace answermill::broker
