// AdamW with both moments in 8 bits per value and a scale per 256 values: 2.03 bytes per parameter
// where AdamW takes 8 (8-bit Optimizers via Block-wise Quantization,
// https://arxiv.org/abs/2110.02861). Bytes and scales are those of bitsandbytes' AdamW8bit: blocks
// begin at each tensor, tensors of fewer than 4096 values keep float32 moments and decay as AdamW,
// the others decay after their step.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "train/optimizer.h"

namespace slmtune::train {

class AdamW8bit final : public Optimizer {
 public:
  AdamW8bit(const NamedParameters& parameters, const TrainConfig& config,
            const kernels::CudaAdamW* kernels = nullptr);

 private:
  // Moments of one tensor, views of the buffers below. Small: float32 [count]. Else uint8 [count],
  // and float32 [blocks] for the scales.
  struct Moments {
    bool is_small = false;
    at::Tensor exp_avg = {}, exp_avg_sq = {}, exp_avg_scale = {}, exp_avg_sq_scale = {};
    int64_t first_block = 0, blocks = 0;  // in blocks_, small tensors too
  };
  // The moments of all tensors, by place: those of a large one start at a multiple of kMomentBlock.
  // On the parameters' device where steps run there, else in host memory.
  struct Buffers {
    at::Tensor exp_avg, exp_avg_sq;              // uint8
    at::Tensor exp_avg_scale, exp_avg_sq_scale;  // float32, one per kMomentBlock codes
    at::Tensor small_exp_avg, small_exp_avg_sq;  // float32
  };
  // Large: "<name>.exp_avg" U8 with the tensor's shape and "<name>.exp_avg.absmax" F32 [blocks],
  // the same for exp_avg_sq. Small: as AdamW.
  void add_moments(OptimizerState& state) const override;
  void load_moments(const OptimizerState& state) override;
  void update(const std::vector<size_t>& slots, double learning_rate, double scale) override;
  void update_on_device(const std::vector<size_t>& slots, double learning_rate) override;
  void make_buffers(int64_t codes, int64_t small_values);
  void lay_out();
  void describe_blocks();
  struct Task;
  std::vector<Task> tasks_of(const std::vector<size_t>& slots, double learning_rate,
                             double scale) const;
  void run(const Task& task) const;

  Buffers buffers_;
  std::vector<Moments> moments_;          // by slot
  at::Tensor blocks_;                     // on the device: the bytes of a MomentBlock each
  at::Tensor signed_map_, unsigned_map_;  // on the device: float32 [256]
};

}  // namespace slmtune::train
