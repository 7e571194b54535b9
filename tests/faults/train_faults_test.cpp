#include <ATen/Parallel.h>

#include "core/log.h"
#include "tests/faults/matrix_expectations.h"
#include "tests/faults/train_operations.h"

namespace slmtune::faults {
namespace {

// A process that was forked has no pool of threads; and of damage that a case makes on purpose
// nobody needs to read.
class TrainFaults : public ::testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    set_up_log(Verbosity::kQuiet, false);
  }
};

bool is_of_training(const std::string& place) {
  return place.find("slmtune::train::") != std::string::npos ||
         place.find("slmtune::exporting::") != std::string::npos;
}

TEST_F(TrainFaults, EveryCallTimesEveryFaultLeavesNoBadState) {
  expect_no_bad_state(train_operations());
}

TEST_F(TrainFaults, EveryCallOfAnExportTimesEveryFaultLeavesNoBadState) {
  expect_no_bad_state(export_operations());
}

TEST_F(TrainFaults, NoSyncAndNoRenameCanBeLeftOut) {
  std::vector<Operation> operations = train_operations();
  for (Operation& operation : export_operations()) operations.push_back(operation);
  expect_every_place_needed(operations, 3, is_of_training);
}

}  // namespace
}  // namespace slmtune::faults
