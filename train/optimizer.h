// From gradients to steps: AdamW (Loshchilov & Hutter 2019) over all tensors at once
// (train/flat_parameters.h), moments by tensor name.
//
//   std::unique_ptr<Optimizer> optimizer = make_optimizer(models::trainable_tensors(model),
//   config); loss.backward(); double norm = optimizer->step(learning_rate, 1.0 / label_tokens,
//   config.clip_norm); optimizer->zero_grad();
//
// Another rule is a class with update(), state() and load_state(), and a row in optimizer.cpp.
#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "train/adam_loops.h"
#include "train/flat_parameters.h"
#include "train/train_config.h"

namespace slmtune::train {

using OptimizerState = std::map<std::string, at::Tensor>;

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // The next backward pass starts from none.
  void zero_grad() { flat_.zero_gradients(); }
  // Scales gradients by `scale`, clips to `clip_norm` (0 = off) and updates; a tensor without
  // gradient is left alone, its count of steps too. Returns the norm of the scaled gradients before
  // clipping. A norm that is not finite changes nothing.
  double step(double learning_rate, double scale, double clip_norm);
  // Tensors by name for checkpoints; "step" holds a count per tensor in the order given.
  OptimizerState state() const;
  void load_state(const OptimizerState& state);  // F080 missing or misshapen, by name

 protected:
  // Moves the tensors into one buffer (they stay the model's). All of one dtype and device. With
  // config.plus_ratio the B matrices and magnitudes of adapters get that factor of the learning
  // rate (LoRA+, https://arxiv.org/abs/2402.12354).
  Optimizer(const NamedParameters& parameters, const TrainConfig& config);
  // Neighbours in the buffer that take the same step.
  struct Range {
    int64_t first = 0, count = 0;  // the zeros between tensors included
    int64_t step = 0;              // this one counted
    double learning_rate = 0.0;
  };
  // `slots`: those with a gradient, by place; their steps are counted already.
  std::vector<Range> ranges_of(const std::vector<size_t>& slots, double learning_rate) const;
  // Gradients still have to be multiplied by `scale`.
  virtual void update(const std::vector<size_t>& slots, double learning_rate, double scale) = 0;
  virtual void add_moments(OptimizerState& state) const = 0;
  virtual void load_moments(const OptimizerState& state) = 0;

  FlatParameters flat_;
  std::vector<int64_t> steps_;  // by slot
  AdamFacts facts_;
};

// Both moments in the parameters' dtype: "<name>.exp_avg" and "<name>.exp_avg_sq".
class AdamW final : public Optimizer {
 public:
  AdamW(const NamedParameters& parameters, const TrainConfig& config);

 private:
  void update(const std::vector<size_t>& slots, double learning_rate, double scale) override;
  void add_moments(OptimizerState& state) const override;
  void load_moments(const OptimizerState& state) override;

  at::Tensor exp_avg_, exp_avg_sq_;  // [N] as flat_.values()
};

// The rule of config.optimizer.
std::unique_ptr<Optimizer> make_optimizer(const NamedParameters& parameters,
                                          const TrainConfig& config);

// The tensor of `state` copied into `target`; F080 as load_state().
void load_state_tensor(const OptimizerState& state, const std::string& name,
                       const at::Tensor& target);

}  // namespace slmtune::train
