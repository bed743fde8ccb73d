#include "frontend/command/fleet/worker_counts.h"

#include <gtest/gtest.h>

namespace answermill::command {
namespace {

TEST(WorkerCounts, KeepsDefaultsOfWhatIsNotNamed) {
  const auto counts = parse_worker_counts(" extract=4, frontend = 2 ");
  ASSERT_TRUE(counts.has_value()) << counts.error().message;
  EXPECT_EQ(*counts, (WorkerCounts{4, 1, 1, 1, 2}));
  EXPECT_EQ(*parse_worker_counts(""), WorkerCounts{});
}

TEST(WorkerCounts, StagesThatHoldNothingMayBeElsewhere) {
  const auto counts = parse_worker_counts("extract=0,embed=0,generate=0");
  ASSERT_TRUE(counts);
  EXPECT_EQ(*counts, (WorkerCounts{0, 0, 1, 0, 1}));
}

TEST(WorkerCounts, RoundTrips) {
  const WorkerCounts counts{3, 2, 1, 5, 2};
  EXPECT_EQ(*parse_worker_counts(to_string(counts)), counts);
}

TEST(WorkerCounts, NamesWhatIsWrong) {
  for (const char* text : {"extract", "extract=", "index=0", "frontend=0", "extract=65", "extract=2x",
                           "extract=-1", "exrtact=2", "broker=1", "embed=1,embed=2", "=2"}) {
    const auto counts = parse_worker_counts(text);
    ASSERT_FALSE(counts.has_value()) << text;
    EXPECT_EQ(counts.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_NE(parse_worker_counts("exrtact=2").error().message.find("exrtact"), std::string::npos);
}

}  // namespace
}  // namespace answermill::command
