// Causal attention over packed rows (kernels/attention/attention.h) under autograd, on any device.
#pragma once
#include <ATen/core/Tensor.h>

#include "kernels/attention/attention.h"

namespace slmtune::models {

using kernels::AttentionOptions;

// q [T, H, hd], k and v [T, K, hd] (H a multiple of K: consecutive query heads share a key head) ->
// [T, H, hd]. Softmax in float32 or better. Differentiable, by one node for all rows: the graph
// stays small however many short rows a micro-batch packs. The same bits on every run on the CPU.
at::Tensor packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const kernels::RowStarts& rows, const AttentionOptions& options);

}  // namespace slmtune::models
