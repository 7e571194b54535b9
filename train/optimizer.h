// AdamW (Loshchilov & Hutter 2019) through LibTorch's fused operator, moments by tensor name.
//
//   AdamW optimizer(models::trainable_tensors(model), config);
//   loss.backward();
//   double norm = optimizer.step(learning_rate, 1.0 / label_tokens, config.clip_norm);
//   optimizer.zero_grad();
#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "train/train_config.h"

namespace slmtune::train {

class AdamW {
 public:
  // Keeps the given tensors (they share storage with the model). All of one dtype and device.
  AdamW(std::vector<std::pair<std::string, at::Tensor>> parameters, const TrainConfig& config);
  // Drops the gradients, so that the next backward pass starts from none.
  void zero_grad();
  // Scales gradients by `scale`, clips to `clip_norm` (0 = off) and updates; a tensor without
  // gradient is left alone. Returns the norm of the scaled gradients before clipping. A norm that
  // is not finite changes nothing.
  double step(double learning_rate, double scale, double clip_norm);
  // "<name>.exp_avg", "<name>.exp_avg_sq" and "step" (one count per tensor), for checkpoints.
  std::map<std::string, at::Tensor> state() const;
  void load_state(
      const std::map<std::string, at::Tensor>& state);  // F080 missing or misshapen, by name

 private:
  std::vector<std::string> names_;
  std::vector<at::Tensor> parameters_, exp_avg_, exp_avg_sq_, steps_;
  double beta1_, beta2_, epsilon_, weight_decay_;
};

}  // namespace slmtune::train
