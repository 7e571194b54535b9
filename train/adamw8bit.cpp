#include "train/adamw8bit.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "kernels/parallel.h"

namespace slmtune::train {
namespace {

constexpr int64_t kSmallTensor = 4096;   // fewer values keep float32 moments
constexpr int64_t kBlocksPerTask = 128;  // 32,768 values

int64_t blocks_of(int64_t count) {
  return (count + kMomentBlock - 1) / kMomentBlock;
}

}  // namespace

AdamW8bit::AdamW8bit(const NamedParameters& parameters, const TrainConfig& config)
    : Optimizer(parameters, config) {
  for (const FlatParameters::Slot& slot : flat_.slots()) {
    Moments moments{.is_small = slot.count < kSmallTensor};
    moments.exp_avg = at::zeros({slot.count}, moments.is_small ? at::kFloat : at::kByte);
    moments.exp_avg_sq = at::zeros_like(moments.exp_avg);
    if (!moments.is_small) {
      moments.exp_avg_scale = at::zeros({blocks_of(slot.count)}, at::kFloat);
      moments.exp_avg_sq_scale = at::zeros({blocks_of(slot.count)}, at::kFloat);
    }
    moments_.push_back(std::move(moments));
  }
}

// Part of one tensor that one thread updates: whole blocks of a large one, or all of a small one.
struct AdamW8bit::Task {
  size_t slot = 0;
  int64_t first = 0, count = 0;  // values of the tensor
  AdamStep step;
};

std::vector<AdamW8bit::Task> AdamW8bit::tasks_of(const std::vector<size_t>& slots,
                                                 double learning_rate, double scale) const {
  constexpr int64_t kLargest = kBlocksPerTask * kMomentBlock;
  std::vector<Task> tasks;
  for (const size_t index : slots) {
    const FlatParameters::Slot& slot = flat_.slots()[index];
    const AdamStep step = adam_step(facts_, learning_rate * slot.rate, steps_[index], scale);
    for (int64_t first = 0; first < slot.count; first += kLargest)
      tasks.push_back({index, first, std::min(kLargest, slot.count - first), step});
  }
  return tasks;
}

void AdamW8bit::run(const Task& task) const {
  const int64_t start = flat_.slots()[task.slot].first + task.first;
  at::Tensor values = flat_.values().narrow(0, start, task.count);
  // The same memory for float32 on the CPU, copies for all else.
  const at::Tensor host = values.to(at::kCPU, at::kFloat);
  const at::Tensor gradients =
      flat_.gradients().narrow(0, start, task.count).to(at::kCPU, at::kFloat);
  const float* g = gradients.const_data_ptr<float>();
  float* p = host.mutable_data_ptr<float>();
  const Moments& moments = moments_[task.slot];
  if (moments.is_small) {
    adamw_loop(task.step, task.count, g, p, moments.exp_avg.mutable_data_ptr<float>(),
               moments.exp_avg_sq.mutable_data_ptr<float>());
  } else {
    const int64_t block = task.first / kMomentBlock;
    QuantisedBlock next{moments.exp_avg.mutable_data_ptr<uint8_t>() + task.first,
                        moments.exp_avg_scale.mutable_data_ptr<float>() + block,
                        moments.exp_avg_sq.mutable_data_ptr<uint8_t>() + task.first,
                        moments.exp_avg_sq_scale.mutable_data_ptr<float>() + block};
    for (int64_t i = 0; i < task.count; i += kMomentBlock) {
      adamw8bit_loop(task.step, std::min(kMomentBlock, task.count - i), g + i, p + i, next);
      next.exp_avg += kMomentBlock;
      next.exp_avg_sq += kMomentBlock;
      ++next.exp_avg_scale;
      ++next.exp_avg_sq_scale;
    }
  }
  if (!host.is_same(values)) values.copy_(host);
}

void AdamW8bit::update(const std::vector<size_t>& slots, double learning_rate, double scale) {
  const std::vector<Task> tasks = tasks_of(slots, learning_rate, scale);
  kernels::parallel_for(0, static_cast<int64_t>(tasks.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) run(tasks[static_cast<size_t>(i)]);
  });
}

void AdamW8bit::add_moments(OptimizerState& state) const {
  for (size_t i = 0; i < moments_.size(); ++i) {
    const FlatParameters::Slot& slot = flat_.slots()[i];
    const Moments& moments = moments_[i];
    state[slot.name + ".exp_avg"] = moments.exp_avg.view(slot.tensor.sizes());
    state[slot.name + ".exp_avg_sq"] = moments.exp_avg_sq.view(slot.tensor.sizes());
    if (moments.is_small) continue;
    state[slot.name + ".exp_avg.absmax"] = moments.exp_avg_scale;
    state[slot.name + ".exp_avg_sq.absmax"] = moments.exp_avg_sq_scale;
  }
}

void AdamW8bit::load_moments(const OptimizerState& state) {
  OptimizerState own;  // views of the moments
  add_moments(own);
  for (const auto& [name, tensor] : own) load_state_tensor(state, name, tensor);
}

}  // namespace slmtune::train
