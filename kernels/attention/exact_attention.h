// Causal attention of one row written out in LibTorch's operators: over cached keys, for float64 on
// a GPU, for heads that are too wide for the kernels, and as what they are tested against. Works
// through blocks of queries, so that memory grows with the window and not with the square of the
// text; the backward pass computes the scores of a block again instead of keeping them.
#pragma once
#include <ATen/core/Tensor.h>

#include "kernels/attention/attention.h"

namespace slmtune::kernels {

// q [T, H, hd] over keys and values [K, n, hd], n ≥ T, whose last T places are the queries' own ->
// [T, H, hd]. Any device and dtype; scores and softmax in float32 (float64 for float64). Records no
// gradient: models/blocks/packed_attention.h does, with the function below.
at::Tensor exact_attention(const at::Tensor& q, const at::Tensor& keys, const at::Tensor& values,
                           const AttentionOptions& options);

struct ExactGradients {
  at::Tensor q, keys, values;  // shaped as the inputs
};
// `out` as exact_attention gave it.
ExactGradients exact_attention_backward(const at::Tensor& gradient, const at::Tensor& q,
                                        const at::Tensor& keys, const at::Tensor& values,
                                        const at::Tensor& out, const AttentionOptions& options);

}  // namespace slmtune::kernels
