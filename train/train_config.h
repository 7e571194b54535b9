// The recipe's `train:` and `eval:` sections.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/field_table.h"

namespace slmtune::train {

struct TrainConfig {
  double epochs = 2.0;                        // fractions allowed
  std::optional<int64_t> max_steps;           // stops earlier
  std::optional<int64_t> micro_batch_tokens;  // absent = auto
  int64_t batch_rows = 16;                    // rows per optimiser step
  double learning_rate = 2e-4;
  std::string schedule = "cosine";  // constant | linear | cosine
  double warmup = 0.05;             // share of all steps
  std::string optimizer = "adamw";
  double weight_decay = 0.0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double clip_norm = 1.0;  // 0 = off
  uint64_t seed = 7;
  double save_minutes = 10.0;
  std::optional<double> max_minutes;  // training time over all parts of a resumed run
  int64_t loss_chunk = 1024;          // label rows per chunk of logits

  static const FieldTable<TrainConfig>& fields();
};

struct EvalConfig {
  double every = 0.25;                          // share of an epoch; 0 = only at the end
  std::vector<std::string> metrics = {"loss"};  // loss, exact_match, f1

  static const FieldTable<EvalConfig>& fields();
};

}  // namespace slmtune::train
