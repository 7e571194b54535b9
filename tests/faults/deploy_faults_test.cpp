#include "core/log.h"
#include "tests/faults/deploy_operations.h"
#include "tests/faults/matrix_expectations.h"

namespace slmtune::faults {
namespace {

TEST(DeployFaults, EveryCallTimesEveryFaultLeavesAModelServing) {
  set_up_log(Verbosity::kQuiet, false);
  expect_no_bad_state(deploy_operations());
}

}  // namespace
}  // namespace slmtune::faults
