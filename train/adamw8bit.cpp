#include "train/adamw8bit.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "kernels/adamw/adam_loops.h"
#include "kernels/cuda/cuda_module.h"
#include "kernels/parallel.h"
#include "kernels/quant/dynamic_map.h"

namespace slmtune::train {
namespace {

using kernels::kMomentBlock;

constexpr int64_t kSmallTensor = 4096;   // fewer values keep float32 moments
constexpr int64_t kBlocksPerTask = 128;  // 32,768 values

int64_t blocks_of(int64_t count) {
  return (count + kMomentBlock - 1) / kMomentBlock;
}

at::Tensor map_on(const kernels::DynamicMap& map, at::Device device) {
  return at::from_blob(const_cast<float*>(map.data()), {256}, at::kFloat).clone().to(device);
}

}  // namespace

AdamW8bit::AdamW8bit(const NamedParameters& parameters, const TrainConfig& config,
                     const kernels::CudaAdamW* kernels)
    : Optimizer(parameters, config, kernels), moments_(parameters.size()) {
  if (parameters.empty()) return;
  lay_out();
  if (device_ == nullptr) return;
  describe_blocks();
  signed_map_ = map_on(kernels::signed_dynamic_map(), flat_.values().device());
  unsigned_map_ = map_on(kernels::unsigned_dynamic_map(), flat_.values().device());
}

void AdamW8bit::make_buffers(int64_t codes, int64_t small_values) {
  const at::TensorOptions options =
      at::TensorOptions().device(device_ ? flat_.values().device() : at::Device(at::kCPU));
  buffers_.exp_avg = at::zeros({codes}, options.dtype(at::kByte));
  buffers_.exp_avg_sq = at::zeros_like(buffers_.exp_avg);
  buffers_.exp_avg_scale = at::zeros({codes / kMomentBlock}, options.dtype(at::kFloat));
  buffers_.exp_avg_sq_scale = at::zeros_like(buffers_.exp_avg_scale);
  buffers_.small_exp_avg = at::zeros({small_values}, options.dtype(at::kFloat));
  buffers_.small_exp_avg_sq = at::zeros_like(buffers_.small_exp_avg);
}

void AdamW8bit::lay_out() {
  const std::vector<FlatParameters::Slot>& slots = flat_.slots();
  std::vector<size_t> by_place(slots.size());
  for (size_t i = 0; i < slots.size(); ++i) by_place[slots[i].place] = i;
  std::vector<int64_t> first(slots.size());
  int64_t codes = 0, small_values = 0, blocks = 0;
  for (const size_t i : by_place) {
    Moments& moments = moments_[i];
    moments.is_small = slots[i].count < kSmallTensor;
    moments.first_block = blocks;
    moments.blocks = blocks_of(slots[i].count);
    blocks += moments.blocks;
    int64_t& total = moments.is_small ? small_values : codes;
    first[i] = total;
    total += moments.is_small ? slots[i].count : moments.blocks * kMomentBlock;
  }
  make_buffers(codes, small_values);
  for (size_t i = 0; i < slots.size(); ++i) {
    Moments& moments = moments_[i];
    const auto part = [&](const at::Tensor& buffer) {
      return buffer.narrow(0, first[i], slots[i].count);
    };
    moments.exp_avg = part(moments.is_small ? buffers_.small_exp_avg : buffers_.exp_avg);
    moments.exp_avg_sq = part(moments.is_small ? buffers_.small_exp_avg_sq : buffers_.exp_avg_sq);
    if (moments.is_small) continue;
    const int64_t scale = first[i] / kMomentBlock;
    moments.exp_avg_scale = buffers_.exp_avg_scale.narrow(0, scale, moments.blocks);
    moments.exp_avg_sq_scale = buffers_.exp_avg_sq_scale.narrow(0, scale, moments.blocks);
  }
}

// The table that tells the kernel which values each block has.
void AdamW8bit::describe_blocks() {
  std::vector<kernels::MomentBlock> blocks;
  for (size_t i = 0; i < moments_.size(); ++i) {
    const Moments& moments = moments_[i];
    const FlatParameters::Slot& slot = flat_.slots()[i];
    blocks.resize(
        std::max(blocks.size(), static_cast<size_t>(moments.first_block + moments.blocks)));
    for (int64_t first = 0; first < slot.count; first += kMomentBlock)
      blocks[static_cast<size_t>(moments.first_block + first / kMomentBlock)] = {
          .first = slot.first + first,
          .place = moments.exp_avg.storage_offset() + first,
          .count = static_cast<int32_t>(std::min(kMomentBlock, slot.count - first)),
          .is_small = moments.is_small ? 1 : 0};
  }
  const auto bytes = static_cast<int64_t>(blocks.size() * sizeof(kernels::MomentBlock));
  blocks_ = at::from_blob(blocks.data(), {bytes}, at::kByte).clone().to(flat_.values().device());
}

// Part of one tensor that one thread updates: whole blocks of a large one, or all of a small one.
struct AdamW8bit::Task {
  size_t slot = 0;
  int64_t first = 0, count = 0;  // values of the tensor
  kernels::AdamStep step;
};

std::vector<AdamW8bit::Task> AdamW8bit::tasks_of(const std::vector<size_t>& slots,
                                                 double learning_rate, double scale) const {
  constexpr int64_t kLargest = kBlocksPerTask * kMomentBlock;
  std::vector<Task> tasks;
  for (const size_t index : slots) {
    const FlatParameters::Slot& slot = flat_.slots()[index];
    const kernels::AdamStep step =
        kernels::adam_step(facts_, learning_rate * slot.rate, steps_[index], scale);
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
    kernels::adamw_loop(task.step, task.count, g, p, moments.exp_avg.mutable_data_ptr<float>(),
                        moments.exp_avg_sq.mutable_data_ptr<float>());
  } else {
    const int64_t block = task.first / kMomentBlock;
    kernels::QuantisedBlock next{moments.exp_avg.mutable_data_ptr<uint8_t>() + task.first,
                                 moments.exp_avg_scale.mutable_data_ptr<float>() + block,
                                 moments.exp_avg_sq.mutable_data_ptr<uint8_t>() + task.first,
                                 moments.exp_avg_sq_scale.mutable_data_ptr<float>() + block};
    for (int64_t i = 0; i < task.count; i += kMomentBlock) {
      kernels::adamw8bit_loop(task.step, std::min(kMomentBlock, task.count - i), g + i, p + i,
                              next);
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

// Slots of a range follow each other by place, and so do their blocks.
void AdamW8bit::update_on_device(const std::vector<size_t>& slots, double learning_rate) {
  kernels::Adam8bitArrays arrays{
      .element = device_->element(),
      .gradients = flat_.gradients().const_data_ptr(),
      .parameters = flat_.values().mutable_data_ptr(),
      .exp_avg = buffers_.exp_avg.mutable_data_ptr<uint8_t>(),
      .exp_avg_sq = buffers_.exp_avg_sq.mutable_data_ptr<uint8_t>(),
      .exp_avg_scale = buffers_.exp_avg_scale.mutable_data_ptr<float>(),
      .exp_avg_sq_scale = buffers_.exp_avg_sq_scale.mutable_data_ptr<float>(),
      .small_exp_avg = buffers_.small_exp_avg.mutable_data_ptr<float>(),
      .small_exp_avg_sq = buffers_.small_exp_avg_sq.mutable_data_ptr<float>(),
      .signed_map = signed_map_.const_data_ptr<float>(),
      .unsigned_map = unsigned_map_.const_data_ptr<float>()};
  const auto* blocks = static_cast<const kernels::MomentBlock*>(blocks_.const_data_ptr());
  for (const Range& range : ranges_of(slots, learning_rate)) {
    const Moments &first = moments_[range.first_slot], &last = moments_[range.last_slot];
    arrays.blocks = blocks + first.first_block;
    arrays.block_count = last.first_block + last.blocks - first.first_block;
    kernels::check_cuda(device_->table().update_8bit(numbers_of(range), arrays, device_->verdict(),
                                                     device_->stream()),
                        "adamw_update_8bit");
  }
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
