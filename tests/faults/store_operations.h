// What the store does to the disk: publish, promote, rollback, gc, withdraw, a vote.
#pragma once
#include <vector>

#include "tests/faults/fault_matrix.h"

namespace slmtune::faults {

std::vector<Operation> store_operations();

}  // namespace slmtune::faults
