// What `slmtune plan` knows of a recipe's model and rows. Neither weights nor a tokenizer need be
// there: the shape then comes from published facts, and tokens are estimated from bytes.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "cli/recipe.h"
#include "models/model_config.h"
#include "train/memory_plan.h"

namespace slmtune::cli {

struct PlanRows {
  int64_t rows = 0;                                     // pairs of preference data count as one
  int64_t tokens = 0, trained_tokens = 0, longest = 0;  // longest: of one text
  int64_t truncated = 0, dropped = 0, duplicates = 0, too_long = 0;
  int64_t valid_tokens = 0;
  double mean_tokens = 1;     // of one text
  train::RowLengths lengths;  // of a step
  bool is_estimated = false;  // tokens from bytes
};

struct PlanInputs {
  models::ModelConfig config;
  std::string origin;  // folder | facts | init | snapshot
  std::string model;   // for people
  std::optional<std::filesystem::path> adapter;
  PlanRows rows = {};
  int64_t steps = 0;  // of the run
  double epochs = 0;  // that these steps are
};

// Errors of recipe, model files and rows as `train` reports them; N004 when the model is neither a
// folder nor known by name.
PlanInputs find_plan_inputs(const Recipe& recipe);

}  // namespace slmtune::cli
