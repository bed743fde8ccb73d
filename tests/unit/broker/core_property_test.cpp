#include <gtest/gtest.h>

#include <cstdlib>

#include "world.h"

namespace answermill::broker::test {
namespace {

constexpr std::uint32_t kRuns = 1500;
constexpr int kSteps = 160;

std::string run(std::uint32_t seed, int steps, unsigned faults, std::string* story = nullptr) {
  World world(seed, steps, faults);
  world.run();
  if (story != nullptr) *story = world.story();
  return world.failure();
}

// The fewest kinds of fault and steps that still break this seed.
std::string smallest(std::uint32_t seed) {
  unsigned faults = kEveryFault;
  int steps = kSteps;
  for (unsigned bit = 1; bit < kEveryFault; bit <<= 1U) {
    if ((faults & bit) != 0 && !run(seed, steps, faults & ~bit).empty()) faults &= ~bit;
  }
  for (int cut = steps / 2; cut > 0; cut /= 2) {
    while (steps > cut && !run(seed, steps - cut, faults).empty()) steps -= cut;
  }
  std::string story;
  const std::string failure = run(seed, steps, faults, &story);
  return "seed " + std::to_string(seed) + " steps " + std::to_string(steps) + " faults " +
         std::to_string(faults) + ": " + failure + "\n" + story;
}

// ANSWERMILL_SEEDS=first:count runs others than the usual ones; of several, each that fails is named.
TEST(CoreProperty, EveryAcceptedRequestEndsExactlyOnce) {
  std::uint32_t first = 1;
  std::uint32_t count = kRuns;
  const char* given = std::getenv("ANSWERMILL_SEEDS");
  if (given != nullptr) {
    char* rest = nullptr;
    first = static_cast<std::uint32_t>(std::strtoul(given, &rest, 10));
    count = *rest == ':' ? static_cast<std::uint32_t>(std::strtoul(rest + 1, nullptr, 10)) : 1;
  }
  for (std::uint32_t seed = first; seed < first + count; ++seed) {
    const std::string failure = run(seed, kSteps, kEveryFault);
    if (failure.empty()) continue;
    if (given == nullptr || count == 1) FAIL() << smallest(seed);
    ADD_FAILURE() << "seed " << seed << ": " << failure;
  }
}

}  // namespace
}  // namespace answermill::broker::test
