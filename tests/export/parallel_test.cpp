#include "export/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace slmtune::exporting {
namespace {

TEST(InParallel, DoesEveryElementOnceInRangesThatStartAtTheGrain) {
  for (int64_t count : {0, 1, 99, 100, 101, 1600, 12345}) {
    std::vector<std::atomic<int>> done(static_cast<size_t>(count));
    in_parallel(count, 100, [&](int64_t first, int64_t last) {
      EXPECT_EQ(first % 100, 0);
      for (int64_t i = first; i < last; ++i) ++done[static_cast<size_t>(i)];
    });
    for (const auto& times : done) ASSERT_EQ(times, 1) << count;
  }
}

TEST(InParallel, ThrowsTheFailureOfAPart) {
  EXPECT_THROW(in_parallel(1000, 10,
                           [](int64_t, int64_t last) {
                             if (last == 1000) throw std::runtime_error("last part");
                           }),
               std::runtime_error);
}

}  // namespace
}  // namespace slmtune::exporting
