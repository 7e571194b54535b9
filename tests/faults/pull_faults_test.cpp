#include "core/log.h"
#include "tests/faults/matrix_expectations.h"
#include "tests/faults/pull_operations.h"

namespace slmtune::faults {
namespace {

class PullFaults : public ::testing::Test {
 protected:
  void SetUp() override { set_up_log(Verbosity::kQuiet, false); }
};

TEST_F(PullFaults, EveryCallTimesEveryFaultLeavesNoBadState) {
  expect_no_bad_state(pull_operations());
}

TEST_F(PullFaults, NoSyncAndNoRenameCanBeLeftOut) {
  expect_every_place_needed(pull_operations(), 2, [](const std::string& place) {
    // Half a file there is of another size than the hub tells: it is taken again.
    if (place == "rename in slmtune::ops::take_from_cache") return false;
    return place.find("slmtune::ops::") != std::string::npos;
  });
}

}  // namespace
}  // namespace slmtune::faults
