#include "kernels/cpu_count.h"

#include <gtest/gtest.h>

#include <thread>

namespace slmtune::kernels {
namespace {

TEST(CpuCount, ReadsAQuotaRoundedUp) {
  EXPECT_EQ(quota_cores("150000 100000"), 2);
  EXPECT_EQ(quota_cores("200000 100000"), 2);
  EXPECT_EQ(quota_cores("5000 100000"), 1);
}

TEST(CpuCount, NoQuotaIsNoLimit) {
  for (const char* text :
       {"max 100000", "-1 100000", "", " ", "100000", "100000 ", "100000 0", "x y"})
    EXPECT_EQ(quota_cores(text), 0) << text;
}

TEST(CpuCount, IsBetweenOneAndTheMachine) {
  EXPECT_GE(usable_cores(), 1);
  EXPECT_LE(usable_cores(), static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace
}  // namespace slmtune::kernels
