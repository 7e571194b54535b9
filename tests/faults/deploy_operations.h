// What `slmtune deploy` writes for a target of kind folder: the store's journal and record, and the
// folder that a server reads.
#pragma once
#include <vector>

#include "tests/faults/fault_matrix.h"

namespace slmtune::faults {

std::vector<Operation> deploy_operations();

}  // namespace slmtune::faults
