// The ways in which core/ puts something on a disk.
#pragma once
#include <vector>

#include "tests/faults/fault_matrix.h"

namespace slmtune::faults {

std::vector<Operation> core_operations();

}  // namespace slmtune::faults
