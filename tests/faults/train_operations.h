// What a training run and its exports do to the disk.
#pragma once
#include <vector>

#include "tests/faults/fault_matrix.h"

namespace slmtune::faults {

std::vector<Operation> train_operations();   // save, finish, rewind
std::vector<Operation> export_operations();  // GGUF, Hugging Face folder

}  // namespace slmtune::faults
