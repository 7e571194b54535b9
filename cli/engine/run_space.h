// Whether the disks can hold what a run will write, asked before the first byte of it is written.
#pragma once
#include "cli/engine/train_inputs.h"
#include "kernels/device.h"

namespace slmtune::cli {

// The checkpoints, the snapshot and the exports of the recipe, each on the disk it goes to. Counted
// from names, shapes and encodings; no weight is read. W002 with the needed and the free bytes.
void check_run_space(const Recipe& recipe, const ModelInputs& inputs,
                     const kernels::DeviceChoice& device);

}  // namespace slmtune::cli
