// The emulator itself: its words mean what CUDA's mean, and every planted fault is caught.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "tests/emulator/access_check.h"
#include "tests/emulator/device_memory.h"
#include "tests/emulator/emulation_error.h"
#include "tests/emulator/planted_faults.h"
#include "tests/emulator/sample_kernels.h"

namespace slmtune::emulator_tests {
namespace {

using emulator::DeviceArray;
using emulator::EmulationError;
using emulator::kSeesEveryAccess;
using ::testing::Each;
using ::testing::HasSubstr;

constexpr int kCount = 64;

std::vector<float> counted(int count) {
  std::vector<float> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), 1.0f);
  return values;
}

// What the launch says when it is stopped; empty when it is not.
std::string refusal(Fault fault) {
  const DeviceArray<float> x(counted(kCount)), y(kCount);
  try {
    launch_reverse(fault, x.data(), y.data(), kCount, nullptr);
  } catch (const EmulationError& error) {
    return error.what();
  }
  return "";
}

TEST(BlockEmulator, RunsAKernelWithoutFaults) {
  const DeviceArray<float> x(counted(kCount)), y(kCount);
  ASSERT_EQ(launch_reverse(Fault::kNone, x.data(), y.data(), kCount, nullptr), 0);
  std::vector<float> expected = counted(kCount);
  std::reverse(expected.begin(), expected.end());
  EXPECT_EQ(y.values(), expected);
}

TEST(BlockEmulator, RunsEveryThreadOfAGridInThreeDimensionsOnce) {
  constexpr int kThreads = 2 * 3 * 2 * 5 * 2 * 3;
  const DeviceArray<int> places(std::vector<int>(kThreads, 0));
  ASSERT_EQ(launch_count_places(places.data(), kThreads, nullptr), 0);
  EXPECT_THAT(places.values(), Each(1));
}

TEST(BlockEmulator, ShufflesAndVotesAreCudas) {
  const DeviceArray<int> results(32 * 7);
  ASSERT_EQ(launch_warp_words(results.data(), nullptr), 0);
  const std::vector<int> values = results.values();
  unsigned thirds = 0;
  for (int lane = 0; lane < 32; lane += 3) thirds |= 1u << lane;
  for (int lane = 0; lane < 32; ++lane) {
    const int* own = values.data() + lane * 7;
    EXPECT_EQ(own[0], 5);
    EXPECT_EQ(own[1], lane / 8 * 8 + 3);
    EXPECT_EQ(own[2], lane < 2 ? lane : lane - 2);
    EXPECT_EQ(own[3], lane % 16 + 4 > 15 ? lane : lane + 4);
    EXPECT_EQ(static_cast<unsigned>(own[4]), thirds);
    EXPECT_EQ(own[5], 2);
    EXPECT_EQ(own[6], 10);
  }
}

TEST(BlockEmulator, AtomicSumsAndThePublishedWorkOfOtherBlocks) {
  constexpr int kValues = 205;
  const DeviceArray<float> values(counted(kValues)), sum(std::vector<float>{0.0f}), of_block(3),
      last(1);
  const DeviceArray<unsigned> counter(std::vector<unsigned>{0});
  ASSERT_EQ(launch_sums(values.data(), kValues, sum.data(), of_block.data(), counter.data(),
                        last.data(), nullptr),
            0);
  EXPECT_EQ(sum.values()[0], kValues * (kValues + 1) / 2);
  EXPECT_EQ(last.values()[0], kValues * (kValues + 1) / 2);
}

TEST(BlockEmulator, AsynchronousCopiesArriveWhenTheyAreWaitedFor) {
  for (const int count : {1, 4, 383, 384, 1001}) {
    const DeviceArray<float> x(counted(count)), y(static_cast<size_t>(count));
    ASSERT_EQ(launch_copy(x.data(), y.data(), count, nullptr), 0);
    EXPECT_EQ(y.values(), counted(count));
  }
}

TEST(BlockEmulator, AGridWithoutBlocksIsAnError) {
  const DeviceArray<float> x(1), y(1);
  EXPECT_NE(launch_reverse(Fault::kNone, x.data(), y.data(), 0, nullptr), 0);
  EXPECT_NE(launch_reverse(Fault::kNone, x.data(), y.data(), 1025, nullptr), 0);
}

TEST(PlantedFault, DivergentBarrierIsReportedWithKernelThreadsAndLines) {
  const std::string text = refusal(Fault::kDivergentBarrier);
  EXPECT_THAT(text, HasSubstr("planted_kernel, block (0, 0, 0)"));
  EXPECT_THAT(text, HasSubstr("waits for threads that do not come"));
  EXPECT_THAT(text, HasSubstr("is at the barrier planted_faults.cu:"));
}

TEST(PlantedFault, SkippedBarrierIsReported) {
  const std::string text = refusal(Fault::kSkippedBarrier);
  EXPECT_THAT(text, HasSubstr("is at the barrier planted_faults.cu:"));
  EXPECT_THAT(text, HasSubstr("is at the warp operation planted_faults.cu:"));
}

TEST(PlantedFault, LaneThatHasLeftIsReported) {
  EXPECT_THAT(refusal(Fault::kAbsentLane), HasSubstr("32 threads have left"));
}

TEST(PlantedFault, MissingBarrierIsReportedWithKernelArrayAndLine) {
  if (!kSeesEveryAccess) GTEST_SKIP() << "AddressSanitizer takes the compiler's reports";
  const std::string text = refusal(Fault::kMissingBarrier);
  EXPECT_THAT(text, HasSubstr("planted_kernel, block (0, 0, 0), thread ("));
  EXPECT_THAT(text, HasSubstr("of shared values at byte"));
  EXPECT_THAT(text, HasSubstr("planted_faults.cu:" + std::to_string(line_of_missing_barrier())));
}

TEST(PlantedFault, MissingBarrierGivesNoRightResultEitherWay) {
  const DeviceArray<float> x(counted(kCount)), y(kCount);
  try {
    launch_reverse(Fault::kMissingBarrier, x.data(), y.data(), kCount, nullptr);
  } catch (const EmulationError&) {
    return;
  }
  std::vector<float> reversed = counted(kCount);
  std::reverse(reversed.begin(), reversed.end());
  EXPECT_NE(y.values(), reversed);
}

TEST(PlantedFault, UnorderedAccessesAreReported) {
  if (!kSeesEveryAccess) GTEST_SKIP() << "AddressSanitizer takes the compiler's reports";
  const char* kUnordered = "with nothing between that orders them";
  EXPECT_THAT(refusal(Fault::kMissingLateBarrier), HasSubstr(kUnordered));
  EXPECT_THAT(refusal(Fault::kMissingLateBarrier), HasSubstr("read"));
  EXPECT_THAT(refusal(Fault::kTwoBlocks), HasSubstr("of another block"));
  const std::string in_warp = refusal(Fault::kMissingWarpBarrier);
  EXPECT_TRUE(in_warp.find(kUnordered) != std::string::npos ||
              in_warp.find("before anything was written") != std::string::npos)
      << in_warp;
}

TEST(PlantedFault, AccessesOutsideAnArrayAreReported) {
  if (!kSeesEveryAccess) GTEST_SKIP() << "AddressSanitizer ends the program; see below";
  EXPECT_THAT(refusal(Fault::kPastShared),
              HasSubstr("outside device memory, 0 bytes behind the end of values [256 bytes]"));
  EXPECT_THAT(refusal(Fault::kPastDevice), HasSubstr("writes 4 bytes outside device memory"));
  EXPECT_THAT(refusal(Fault::kMisaligned), HasSubstr("is no multiple of the type's alignment"));
}

TEST(PlantedFaultDeathTest, AddressSanitizerEndsTheProgramOutsideAnArray) {
  if (kSeesEveryAccess) GTEST_SKIP() << "built without AddressSanitizer";
  EXPECT_DEATH(refusal(Fault::kPastShared), "use-after-poison|out of bounds");
  EXPECT_DEATH(refusal(Fault::kPastDevice), "use-after-poison");
}

TEST(PlantedFault, SharedMemoryThatNobodyFilledIsReported) {
  if (!kSeesEveryAccess) GTEST_SKIP() << "AddressSanitizer takes the compiler's reports";
  EXPECT_THAT(refusal(Fault::kUnwrittenShared), HasSubstr("before anything was written there"));
  EXPECT_THAT(refusal(Fault::kUnwaitedCopy), HasSubstr("that was not waited for"));
}

TEST(PlantedFault, TheNextLaunchIsNotAffected) {
  EXPECT_NE(refusal(Fault::kDivergentBarrier), "");
  const DeviceArray<float> x(counted(kCount)), y(kCount);
  EXPECT_EQ(launch_reverse(Fault::kNone, x.data(), y.data(), kCount, nullptr), 0);
  EXPECT_EQ(y.values()[0], kCount);
}

}  // namespace
}  // namespace slmtune::emulator_tests
