// The embedding gather's table in the CUDA module (kernels/cuda/module.h has the rules) and the
// launcher of embedding.cu that fills it.
#pragma once
#include <cstdint>

#include "kernels/cuda/cuda_types.h"

namespace slmtune::kernels {

struct CudaEmbedding {
  // out[t, :] = table[ids[t], :] · scale. rows: `out`, [tokens, D] of rows.element; table
  // [vocabulary, D] of the same; ids [tokens] on the device. A row whose id is outside the table
  // becomes NaN.
  int (*gather)(CudaRows rows, const void* table, int64_t vocabulary, const int64_t* ids,
                float scale, void* out, CudaStream stream);
};

int launch_embedding(CudaRows rows, const void* table, int64_t vocabulary, const int64_t* ids,
                     float scale, void* out, CudaStream stream);

}  // namespace slmtune::kernels
