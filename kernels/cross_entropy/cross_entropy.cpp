#include "kernels/cross_entropy/cross_entropy.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "kernels/cross_entropy/cross_entropy_rows.h"
#include "kernels/parallel.h"

namespace slmtune::kernels {
namespace {

bool has_loops(const at::Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

void check(const at::Tensor& logits, const at::Tensor& targets) {
  SLMTUNE_ASSERT(logits.dim() == 2 && logits.is_contiguous() && logits.size(1) > 0,
                 "logits are [N, V] and contiguous");
  SLMTUNE_ASSERT(targets.dim() == 1 && targets.size(0) == logits.size(0) &&
                     targets.scalar_type() == at::kLong && targets.is_contiguous(),
                 "targets are [N] int64");
  if (!targets.is_cpu() || targets.numel() == 0) return;
  SLMTUNE_ASSERT(
      targets.min().item<int64_t>() >= 0 && targets.max().item<int64_t>() < logits.size(1),
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

// The definition in LibTorch's own operators: the reference of the loops, and the path of the other
// dtypes and devices.
struct Composed {
  at::Tensor bent;               // tanh(logits / soft_cap), undefined without a soft-cap
  at::Tensor log_probabilities;  // [N, V]
  at::Tensor losses;             // [N]
};

Composed composed(const at::Tensor& logits, const at::Tensor& targets, double soft_cap) {
  Composed result;
  at::Tensor z = logits.to(logits.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
  if (soft_cap > 0.0) {
    result.bent = at::tanh(z / soft_cap);
    z = result.bent * soft_cap;
  }
  result.log_probabilities = at::log_softmax(z, 1);
  result.losses = result.log_probabilities.gather(1, targets.unsqueeze(1)).squeeze(1).neg();
  return result;
}

}  // namespace

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets, double soft_cap) {
  check(logits, targets);
  if (!has_loops(logits)) return composed(logits, targets, soft_cap).losses;
  return logits.scalar_type() == at::kFloat ? losses_of<float>(logits, targets, soft_cap)
                                            : losses_of<BFloat16Bits>(logits, targets, soft_cap);
}

at::Tensor cross_entropy_in_place(at::Tensor& logits, const at::Tensor& targets, double soft_cap) {
  check(logits, targets);
  if (!has_loops(logits)) {
    Composed parts = composed(logits, targets, soft_cap);
    at::Tensor gradient = parts.log_probabilities.exp_();
    const at::Tensor minus_one = at::full({targets.size(0), 1}, -1.0, gradient.options());
    gradient.scatter_add_(1, targets.unsqueeze(1), minus_one);
    if (parts.bent.defined()) gradient.mul_(1.0 - parts.bent.square());
    logits.copy_(gradient);
    return parts.losses;
  }
  return logits.scalar_type() == at::kFloat
             ? losses_and_gradients<float>(logits, targets, soft_cap)
             : losses_and_gradients<BFloat16Bits>(logits, targets, soft_cap);
}

}  // namespace slmtune::kernels
