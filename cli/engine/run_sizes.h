// What memory, time and disk of a recipe's run are worked out from; no weight is read.
#pragma once
#include <filesystem>
#include <optional>

#include "cli/recipe.h"
#include "train/memory_fit.h"
#include "train/model_sizes.h"
#include "train/time_plan.h"

namespace slmtune::cli {

// What trains: of the adapter that is continued, when there is one, as its file says.
train::TrainedSizes trained_sizes(const Recipe& recipe, const models::ModelConfig& config,
                                  const std::optional<std::filesystem::path>& adapter);

// All of a setting but the micro-batch and what is recomputed. `value_bytes`: 4 for float32, 2 for
// bfloat16.
train::PlanSetting plan_setting(const Recipe& recipe, const models::ModelConfig& config,
                                const train::RowLengths& rows, int64_t value_bytes);

// What the tokens of a run are: of its rows, `mean_tokens` long each, over `epochs`.
train::WorkShape work_shape(const Recipe& recipe, const train::PlanSetting& setting,
                            double mean_tokens, double label_share, double epochs);

// What the recipe leaves to the plan.
train::AutoChoice auto_choice(const Recipe& recipe, const train::RowLengths& rows, bool on_cpu);

}  // namespace slmtune::cli
