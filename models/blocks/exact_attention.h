// Causal attention of one row written out, for what the fused kernels lack: soft-caps and windows.
// Works through blocks of queries, so that memory grows with the window and not with the square of
// the text; the backward pass computes the scores of a block again instead of keeping them.
#pragma once
#include <ATen/core/Tensor.h>

#include "models/blocks/packed_attention.h"

namespace slmtune::models {

// q [T, H, hd] over keys and values [K, n, hd], n ≥ T, whose last T places are the queries' own ->
// [T, H, hd]. Any device and dtype; scores and softmax in float32 (float64 for float64). Records no
// gradient: packed_attention does, with the function below.
at::Tensor exact_attention(const at::Tensor& q, const at::Tensor& keys, const at::Tensor& values,
                           const AttentionOptions& options);

struct AttentionGradients {
  at::Tensor q, keys, values;  // shaped as the inputs
};
// `out` as exact_attention gave it.
AttentionGradients exact_attention_backward(const at::Tensor& gradient, const at::Tensor& q,
                                            const at::Tensor& keys, const at::Tensor& values,
                                            const at::Tensor& out, const AttentionOptions& options);

}  // namespace slmtune::models
