// Which implementor serves a launch.
#pragma once
#include <memory>

#include "collective/collective.h"
#include "collective/launch.h"

namespace slmtune::collective {

// Joins the ranks of `launch`, which are several: NCCL when they train on GPUs (number 0 of each
// process, its CUDA module open), MPI for processes on the CPU that mpirun started, else the key
// store. Waits until all are there. P002, P004, P005.
std::unique_ptr<Collective> join(const Launch& launch, bool on_gpu);

}  // namespace slmtune::collective
