// Learning rate by step: linear warm-up, then constant, linear to 0 or cosine to 0 (as transformers' schedules).
#pragma once
#include <cstdint>
#include <string>

namespace slmtune::train {

// step counts from 0; `warmup_steps` of `total_steps` rise from 0 (exclusive at step 0: 1/warmup of the peak is not used,
// step 0 has factor 0 only when warmup_steps > 0, as transformers does).
double learning_rate_factor(const std::string& schedule, int64_t step, int64_t warmup_steps, int64_t total_steps);

}  // namespace slmtune::train
