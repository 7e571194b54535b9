// Learning rate by step: linear warm-up, then constant, linear to 0 or cosine to 0 (as
// transformers' schedules).
#pragma once
#include <cstdint>
#include <string>

namespace slmtune::train {

// Factor of the peak learning rate for optimiser step `step`, counted from 0. During the warm-up it
// is step / warmup_steps, so with a warm-up step 0 has factor 0, as in transformers. `schedule`:
// constant | linear | cosine.
double learning_rate_factor(const std::string& schedule, int64_t step, int64_t warmup_steps,
                            int64_t total_steps);

// ceil(share · total_steps), as transformers' warmup_ratio.
int64_t warmup_steps(double share, int64_t total_steps);

}  // namespace slmtune::train
