#include "tests/faults/matrix_expectations.h"
#include "tests/faults/store_operations.h"

namespace slmtune::faults {
namespace {

TEST(StoreFaults, EveryCallTimesEveryFaultLeavesNoBadState) {
  expect_no_bad_state(store_operations());
}

TEST(StoreFaults, NoSyncAndNoRenameCanBeLeftOut) {
  expect_every_place_needed(store_operations(), 3, [](const std::string& place) {
    return place.find("slmtune::store::") != std::string::npos;
  });
}

}  // namespace
}  // namespace slmtune::faults
