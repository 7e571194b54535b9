// Attention's table in the CUDA module (kernels/cuda/module.h has the rules) and the launchers that
// fill it: attention_forward.cu and attention_backward.cu with tensor cores, attention_plain.cu
// without.
#pragma once
#include <cstdint>

#include "kernels/cuda/cuda_types.h"

namespace slmtune::kernels {

// [T, heads, width] in device memory; strides in elements, channels side by side.
struct CudaHeads {
  const void* data = nullptr;
  int64_t token_stride = 0, head_stride = 0;
};
struct CudaMutableHeads {
  void* data = nullptr;
  int64_t token_stride = 0, head_stride = 0;
};

// Options as in attention.h; a window of 0 is none.
struct CudaAttentionCase {
  const int32_t* offsets = nullptr;  // [rows + 1], from 0 to tokens
  int64_t rows = 0, tokens = 0;
  int64_t longest = 0;  // tokens of a row, at most
  int64_t heads = 0, key_heads = 0, width = 0;
  int64_t window = 0;
  float scale = 1.0f, soft_cap = 0.0f;
  CudaElement element = CudaElement::kF32;
};

struct CudaAttentionInputs {
  CudaHeads q, k, v;
};
struct CudaAttentionGradients {
  CudaMutableHeads q, k, v;
};

// What the backward pass reads besides: out and its gradient [T, H, width] contiguous, log_sum
// [H, T]. `shared` [H, T] is workspace: Σ dO ⊙ O.
struct CudaAttended {
  const void* grad_out = nullptr;
  const void* out = nullptr;
  const float* log_sum = nullptr;
  float* shared = nullptr;
};

struct CudaAttention {
  // Without tensor cores: any width up to 256, float32 and bfloat16, with and without a soft-cap.
  // out [T, H, width] contiguous, log_sum [H, T].
  int (*plain_forward)(CudaAttentionCase shape, CudaAttentionInputs in, void* out, float* log_sum,
                       CudaStream stream);
  int (*plain_backward)(CudaAttentionCase shape, CudaAttentionInputs in, CudaAttended attended,
                        CudaAttentionGradients gradients, CudaStream stream);
  // With: bfloat16, width 64, 96, 128 or 256, a soft-cap, heads and tokens at multiples of 16
  // bytes; cudaErrorInvalidValue for others.
  int (*tiled_forward)(CudaAttentionCase shape, CudaAttentionInputs in, void* out, float* log_sum,
                       CudaStream stream);
  int (*tiled_backward)(CudaAttentionCase shape, CudaAttentionInputs in, CudaAttended attended,
                        CudaAttentionGradients gradients, CudaStream stream);
};

int launch_attention_plain_forward(CudaAttentionCase shape, CudaAttentionInputs in, void* out,
                                   float* log_sum, CudaStream stream);
int launch_attention_plain_backward(CudaAttentionCase shape, CudaAttentionInputs in,
                                    CudaAttended attended, CudaAttentionGradients gradients,
                                    CudaStream stream);
int launch_attention_forward(CudaAttentionCase shape, CudaAttentionInputs in, void* out,
                             float* log_sum, CudaStream stream);
int launch_attention_backward(CudaAttentionCase shape, CudaAttentionInputs in,
                              CudaAttended attended, CudaAttentionGradients gradients,
                              CudaStream stream);

}  // namespace slmtune::kernels
