// What `slmtune pull` writes: a model folder, from a cache that lies outside of the watched root.
#pragma once
#include <vector>

#include "tests/faults/fault_matrix.h"

namespace slmtune::faults {

std::vector<Operation> pull_operations();

}  // namespace slmtune::faults
