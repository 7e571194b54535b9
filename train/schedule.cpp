#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace slmtune::train {

double learning_rate_factor(const std::string& schedule, int64_t step, int64_t warmup_steps,
                            int64_t total_steps) {
  if (step < warmup_steps)
    return static_cast<double>(step) / static_cast<double>(std::max<int64_t>(1, warmup_steps));
  if (schedule == "constant") return 1.0;
  double falling = static_cast<double>(std::max<int64_t>(1, total_steps - warmup_steps));
  if (schedule == "linear") return std::max(0.0, static_cast<double>(total_steps - step) / falling);
  SLMTUNE_ASSERT(schedule == "cosine", "schedule names are checked when the recipe is read");
  double progress = static_cast<double>(step - warmup_steps) / falling;
  return std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * progress)));
}

int64_t warmup_steps(double share, int64_t total_steps) {
  return static_cast<int64_t>(std::ceil(share * static_cast<double>(total_steps)));
}

}  // namespace slmtune::train
