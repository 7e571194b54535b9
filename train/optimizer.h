// AdamW (Loshchilov & Hutter 2019) through LibTorch's fused operator, moments by tensor name.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "train/train_config.h"

namespace slmtune::train {

class AdamW {
 public:
  AdamW(std::vector<std::pair<std::string, at::Tensor>> parameters, const TrainConfig& config);
  void zero_grad();
  // Scales gradients by `scale`, clips to `clip_norm` (0 = off) and updates. Returns the norm before clipping. A norm that
  // is not finite changes nothing.
  double step(double learning_rate, double scale, double clip_norm);
  // "<name>.exp_avg", "<name>.exp_avg_sq" and "step", for checkpoints.
  std::map<std::string, at::Tensor> state() const;
  void load_state(const std::map<std::string, at::Tensor>& state);  // F080 missing or misshapen, by name

 private:
  std::vector<std::string> names_;
  std::vector<at::Tensor> parameters_, exp_avg_, exp_avg_sq_, steps_;
  double beta1_, beta2_, epsilon_, weight_decay_;
};

}  // namespace slmtune::train
