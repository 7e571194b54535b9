#include "train/shared_start.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <vector>

#include "core/error.h"

namespace slmtune::train {
namespace {

// The leader's bytes of a tensor like `tensor`, in host memory.
at::Tensor shared(collective::Collective& ranks, const at::Tensor& tensor) {
  const at::Tensor host = tensor.detach().to(at::kCPU).clone(at::MemoryFormat::Contiguous);
  std::vector<std::byte> bytes(host.nbytes());
  if (ranks.leads()) std::memcpy(bytes.data(), host.const_data_ptr(), bytes.size());
  ranks.broadcast(bytes);
  if (bytes.size() != host.nbytes())
    throw UserError("P002", "rank 0", "rank 0 trains tensors of another shape or type",
                    "start all ranks with the same command and the same files");
  std::memcpy(host.mutable_data_ptr(), bytes.data(), bytes.size());
  return host;
}

}  // namespace

void share_start(collective::Collective& ranks, models::CausalLM& model, Optimizer& optimizer,
                 TrainState& state, bool has_moments) {
  if (!ranks.several()) return;
  const at::NoGradGuard no_gradient;
  std::array<double, 5> numbers{};
  if (ranks.leads())
    numbers = {static_cast<double>(state.step), static_cast<double>(state.skipped_steps),
               static_cast<double>(state.bad_steps), static_cast<double>(state.valid_step),
               has_moments ? 1.0 : 0.0};
  ranks.sum(numbers);  // the others have zeros
  state.step = static_cast<int64_t>(numbers[0]);
  state.skipped_steps = static_cast<int64_t>(numbers[1]);
  state.bad_steps = static_cast<int64_t>(numbers[2]);
  state.valid_step = static_cast<int64_t>(numbers[3]);
  for (auto& [name, tensor] : models::trainable_tensors(model))
    tensor.detach().copy_(shared(ranks, tensor));
  if (numbers[4] == 0.0) return;
  OptimizerState moments;
  for (const auto& [name, tensor] : optimizer.state()) moments[name] = shared(ranks, tensor);
  optimizer.load_state(moments);
}

}  // namespace slmtune::train
