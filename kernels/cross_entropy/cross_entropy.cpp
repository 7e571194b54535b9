#include "kernels/cross_entropy/cross_entropy.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "kernels/cross_entropy/cross_entropy_rows.h"
#include "kernels/cuda/cuda_module.h"
#include "kernels/cuda/cuda_tensors.h"
#include "kernels/loops.h"
#include "kernels/parallel.h"

namespace slmtune::kernels {
namespace {

void check(const at::Tensor& logits, const at::Tensor& targets) {
  SLMTUNE_ASSERT(logits.dim() == 2 && logits.is_contiguous() && logits.size(1) > 0,
                 "logits are [N, V] and contiguous");
  SLMTUNE_ASSERT(targets.dim() == 1 && targets.size(0) == logits.size(0) &&
                     targets.scalar_type() == at::kLong && targets.is_contiguous(),
                 "targets are [N] int64");
  if (!targets.is_cpu()) return;
  const auto* ids = targets.const_data_ptr<int64_t>();
  SLMTUNE_ASSERT(
      std::all_of(ids, ids + targets.numel(),
                  [&](int64_t id) { return id == kNoTarget || (id >= 0 && id < logits.size(1)); }),
      "targets are ids of the vocabulary");
}

// Calls loops(first row, shape of the part, its losses) over all threads.
template <typename Loops>
at::Tensor over_rows(const at::Tensor& logits, double soft_cap, const Loops& loops) {
  at::Tensor losses = at::empty({logits.size(0)}, logits.options().dtype(at::kFloat));
  auto* out = losses.mutable_data_ptr<float>();
  parallel_for(0, logits.size(0), 1, [&](int64_t begin, int64_t end) {
    loops(begin, LogitRows{end - begin, logits.size(1), static_cast<float>(soft_cap)}, out + begin);
  });
  return losses;
}

template <typename Number>
at::Tensor losses_of(const at::Tensor& logits, const at::Tensor& targets, double soft_cap) {
  const auto* z = static_cast<const Number*>(logits.const_data_ptr());
  const auto* ids = targets.const_data_ptr<int64_t>();
  return over_rows(logits, soft_cap, [&](int64_t row, const LogitRows& part, float* losses) {
    cross_entropy_rows(z + row * part.vocabulary, ids + row, losses, part);
  });
}

template <typename Number>
at::Tensor losses_and_gradients(at::Tensor& logits, const at::Tensor& targets, double soft_cap) {
  auto* z = static_cast<Number*>(logits.mutable_data_ptr());
  const auto* ids = targets.const_data_ptr<int64_t>();
  return over_rows(logits, soft_cap, [&](int64_t row, const LogitRows& part, float* losses) {
    cross_entropy_rows_in_place(z + row * part.vocabulary, ids + row, losses, part);
  });
}

at::Tensor cross_entropy_cuda(const at::Tensor& logits, const at::Tensor& targets,
                              double soft_cap) {
  at::Tensor losses = at::empty({logits.size(0)}, logits.options().dtype(at::kFloat));
  check_cuda(opened_cuda_module().cross_entropy.losses(
                 cuda_rows(logits), logits.const_data_ptr(), targets.const_data_ptr<int64_t>(),
                 losses.mutable_data_ptr<float>(), static_cast<float>(soft_cap),
                 cuda_stream(logits.device().index())),
             "cross_entropy");
  return losses;
}

at::Tensor cross_entropy_in_place_cuda(at::Tensor& logits, const at::Tensor& targets,
                                       double soft_cap) {
  at::Tensor losses = at::empty({logits.size(0)}, logits.options().dtype(at::kFloat));
  check_cuda(opened_cuda_module().cross_entropy.in_place(
                 cuda_rows(logits), logits.mutable_data_ptr(), targets.const_data_ptr<int64_t>(),
                 losses.mutable_data_ptr<float>(), static_cast<float>(soft_cap),
                 cuda_stream(logits.device().index())),
             "cross_entropy_in_place");
  return losses;
}

// The definition in LibTorch's own operators: the reference of the loops, and the path of float64.
struct Composed {
  at::Tensor bent;               // tanh(logits / soft_cap), undefined without a soft-cap
  at::Tensor log_probabilities;  // [N, V]
  at::Tensor losses;             // [N]
  at::Tensor ids;                // [N, 1]: targets, 0 where there is none
  at::Tensor counts;             // [N, 1]: whether there is one
};

Composed composed(const at::Tensor& logits, const at::Tensor& targets, double soft_cap) {
  Composed result;
  at::Tensor z = logits.to(logits.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
  if (soft_cap > 0.0) {
    result.bent = at::tanh(z / soft_cap);
    z = result.bent * soft_cap;
  }
  result.log_probabilities = at::log_softmax(z, 1);
  result.counts = targets.ne(kNoTarget).unsqueeze(1);
  result.ids = targets.unsqueeze(1).mul(result.counts);
  const at::Tensor losses = result.log_probabilities.gather(1, result.ids).neg();
  result.losses = losses.masked_fill(result.counts.logical_not(), 0.0).squeeze(1);
  return result;
}

}  // namespace

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets, double soft_cap) {
  check(logits, targets);
  if (has_cuda_kernels(logits)) return cross_entropy_cuda(logits, targets, soft_cap);
  if (!has_loops(logits)) return composed(logits, targets, soft_cap).losses;
  return logits.scalar_type() == at::kFloat ? losses_of<float>(logits, targets, soft_cap)
                                            : losses_of<BFloat16Bits>(logits, targets, soft_cap);
}

at::Tensor cross_entropy_in_place(at::Tensor& logits, const at::Tensor& targets, double soft_cap) {
  check(logits, targets);
  if (has_cuda_kernels(logits)) return cross_entropy_in_place_cuda(logits, targets, soft_cap);
  if (!has_loops(logits)) {
    Composed parts = composed(logits, targets, soft_cap);
    at::Tensor gradient = parts.log_probabilities.exp_();
    const at::Tensor minus_one = at::full({targets.size(0), 1}, -1.0, gradient.options());
    gradient.scatter_add_(1, parts.ids, minus_one);
    if (parts.bent.defined()) gradient.mul_(1.0 - parts.bent.square());
    gradient.masked_fill_(parts.counts.logical_not(), 0.0);
    logits.copy_(gradient);
    return parts.losses;
  }
  return logits.scalar_type() == at::kFloat
             ? losses_and_gradients<float>(logits, targets, soft_cap)
             : losses_and_gradients<BFloat16Bits>(logits, targets, soft_cap);
}

}  // namespace slmtune::kernels
