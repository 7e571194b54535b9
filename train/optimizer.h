// From gradients to steps: AdamW (Loshchilov & Hutter 2019) over all tensors at once
// (train/flat_parameters.h), moments by tensor name.
//
//   auto optimizer = make_optimizer(models::trainable_tensors(model), config);
//   loss.backward();
//   double norm = optimizer->step(learning_rate, 1.0 / label_tokens, config.clip_norm);
//   optimizer->zero_grad();
//
// On a GPU a step can be started and looked at later, when the next backward pass is under way:
// norm, clipping and the decision to leave the step out stay on the device.
//
//   optimizer->start_step(...);  optimizer->zero_grad();  next_loss.backward();
//   double norm = optimizer->finish_step();  optimizer->start_step(...);
//
// Another rule is a class with update(), state() and load_state(), and a row in optimizer.cpp.
#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/adamw/adam_step.h"
#include "train/device_step.h"
#include "train/flat_parameters.h"
#include "train/train_config.h"

namespace slmtune::train {

using OptimizerState = std::map<std::string, at::Tensor>;

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // The next backward pass starts from none.
  void zero_grad() { flat_.zero_gradients(); }
  // Before step(): gradients become their sums over all ranks.
  void sum_gradients(collective::Collective& ranks) { flat_.sum_gradients(ranks); }
  // Scales gradients by `scale`, clips to `clip_norm` (0 = off) and updates; a tensor without
  // gradient is left alone, its count of steps too. Returns the norm of the scaled gradients before
  // clipping. A norm that is not finite changes nothing.
  double step(double learning_rate, double scale, double clip_norm);
  // step() without its answer: on a GPU nothing is waited for. `loss`, a float64 scalar on the
  // parameters' device, must be finite as well. The step before must be finished.
  void start_step(double learning_rate, double scale, double clip_norm,
                  const at::Tensor& loss = {});
  // The norm of the step that was started last, as step() returns it; not-a-number where its loss
  // was not finite. Waits until the step is done; what was queued after it goes on.
  double finish_step();
  bool is_step_started() const { return started_.has_value(); }
  // Tensors by name for checkpoints, on the parameters' device; "step" holds a count per tensor in
  // the order given. No step may be started.
  OptimizerState state() const;
  void load_state(const OptimizerState& state);  // F080 missing or misshapen, by name

 protected:
  // Moves the tensors into one buffer (they stay the model's). All of one dtype and device. With
  // config.plus_ratio the B matrices and magnitudes of adapters get that factor of the learning
  // rate (LoRA+, https://arxiv.org/abs/2402.12354). `kernels`: for steps on the device; the CUDA
  // module's where the parameters lie on a GPU and none are given.
  Optimizer(const NamedParameters& parameters, const TrainConfig& config,
            const kernels::CudaAdamW* kernels);
  // Neighbours in the buffer that take the same step.
  struct Range {
    int64_t first = 0, count = 0;  // the zeros between tensors included
    int64_t step = 0;              // this one counted
    double learning_rate = 0.0;
    size_t first_slot = 0, last_slot = 0;  // all between them by place are in it
  };
  // `slots`: those with a gradient, by place; their steps are counted already.
  std::vector<Range> ranges_of(const std::vector<size_t>& slots, double learning_rate) const;
  // The numbers of a range's step; its gradient_scale is the verdict's on a device.
  kernels::AdamStep numbers_of(const Range& range, double scale = 1.0) const;
  // Gradients still have to be multiplied by `scale`; on the device by the verdict's.
  virtual void update(const std::vector<size_t>& slots, double learning_rate, double scale) = 0;
  virtual void update_on_device(const std::vector<size_t>& slots, double learning_rate) = 0;
  virtual void add_moments(OptimizerState& state) const = 0;
  virtual void load_moments(const OptimizerState& state) = 0;

  FlatParameters flat_;
  std::vector<int64_t> steps_;  // by slot
  kernels::AdamFacts facts_;
  std::unique_ptr<DeviceStep> device_;  // where steps run on a device

 private:
  struct Started {
    std::vector<size_t> slots;
    double norm = 0.0;      // known already
    bool is_asked = false;  // the device knows it
  };
  double step_at_once(const std::vector<size_t>& slots, double learning_rate, double scale,
                      double clip_norm);

  std::optional<Started> started_;
};

// Both moments in the parameters' dtype: "<name>.exp_avg" and "<name>.exp_avg_sq".
class AdamW final : public Optimizer {
 public:
  AdamW(const NamedParameters& parameters, const TrainConfig& config,
        const kernels::CudaAdamW* kernels = nullptr);

 private:
  void update(const std::vector<size_t>& slots, double learning_rate, double scale) override;
  void update_on_device(const std::vector<size_t>& slots, double learning_rate) override;
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
