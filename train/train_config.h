// The recipe's `train:`, `eval:` and `budget:` sections.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/field_table.h"

namespace slmtune::train {

// Default of dpo and kto: they start from a model that answers well and move it a little.
inline constexpr double kPreferenceLearningRate = 5e-6;

struct TrainConfig {
  double epochs = 2.0;                        // fractions allowed
  std::optional<int64_t> max_steps;           // stops earlier
  std::optional<int64_t> micro_batch_tokens;  // absent = auto
  int64_t batch_rows = 16;                    // rows per optimiser step
  double learning_rate = 2e-4;  // the recipe's default for dpo and kto: kPreferenceLearningRate
  std::string schedule = "cosine";  // constant | linear | cosine
  double warmup = 0.05;             // share of all steps
  std::string optimizer = "adamw";  // adamw | adamw8bit
  double weight_decay = 0.0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double clip_norm = 1.0;  // 0 = off
  double neftune_alpha = 0.0;  // 0 = off
  double plus_ratio = 1.0;     // no key of this section: the recipe's lora.plus_ratio
  std::optional<int64_t> recompute;        // layers; absent = auto
  std::optional<int64_t> recompute_whole;  // of these; absent = auto
  std::string offload = "auto";            // auto | none | inputs
  std::string matmul = "bf16";             // bf16 | fp8 | int8
  std::string graphs = "auto";             // auto | none
  double beta = 0.1;             // dpo, kto
  double label_smoothing = 0.0;  // dpo
  double desirable_weight = 1.0, undesirable_weight = 1.0;  // kto
  uint64_t seed = 7;
  double save_minutes = 10.0;
  std::optional<double> max_minutes;  // training time over all parts of a resumed run
  int64_t loss_chunk = 1024;          // label rows per chunk of logits

  static const FieldTable<TrainConfig>& fields();
};

// train.recompute: all, train.recompute_whole: all
inline constexpr int64_t kAllLayers = 1'000'000;

struct EvalConfig {
  double every = 0.25;                          // share of an epoch; 0 = only at the end
  std::vector<std::string> metrics = {"loss"};  // loss, exact_match, f1

  static const FieldTable<EvalConfig>& fields();
};

// The recipe's `budget:` section: what a run may take and what its energy costs.
struct BudgetConfig {
  std::optional<double> memory_gib;  // absent = auto
  double kwh_price = 0.30;
  std::string currency = "EUR";

  static const FieldTable<BudgetConfig>& fields();
};

}  // namespace slmtune::train
