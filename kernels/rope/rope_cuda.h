// The rotary embedding's table in the CUDA module (kernels/cuda/module.h has the rules) and the
// launcher of rope.cu that fills it.
#pragma once
#include <cstdint>

#include "kernels/cuda/cuda_types.h"

namespace slmtune::kernels {

// [tokens, heads, width] turned into `out`, which may be `x` itself (with the same strides).
// Strides in elements; channels of a head lie side by side. heads = 0: nothing.
struct CudaTurned {
  const void* x = nullptr;
  void* out = nullptr;
  int64_t heads = 0, token_stride = 0, head_stride = 0;
  int64_t out_token_stride = 0, out_head_stride = 0;
};

struct CudaRopeShape {
  int64_t tokens = 0, width = 0;
  int64_t half = 0;  // R: entries of cos and sin per token; channels from 2·R on pass
  bool is_back = false;
  CudaElement element = CudaElement::kF32;
  int device = 0;
};

struct CudaRope {
  // Queries and keys in one launch; cos, sin [tokens, half] of shape.element.
  int (*rotate)(CudaRopeShape shape, CudaTurned queries, CudaTurned keys, const void* cos,
                const void* sin, CudaStream stream);
};

int launch_rope(CudaRopeShape shape, CudaTurned queries, CudaTurned keys, const void* cos,
                const void* sin, CudaStream stream);

}  // namespace slmtune::kernels
