#include "tests/faults/core_operations.h"
#include "tests/faults/matrix_expectations.h"

namespace slmtune::faults {
namespace {

TEST(CoreFaults, EveryCallTimesEveryFaultLeavesNoBadState) {
  expect_no_bad_state(core_operations());
}

TEST(CoreFaults, NoSyncAndNoRenameCanBeLeftOut) {
  expect_every_place_needed(core_operations(), 8, [](const std::string&) { return true; });
}

}  // namespace
}  // namespace slmtune::faults
