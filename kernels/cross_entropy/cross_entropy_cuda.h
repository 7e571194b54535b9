// Cross-entropy's table in the CUDA module (kernels/cuda/module.h has the rules) and the launchers
// of cross_entropy.cu that fill it.
#pragma once
#include <cstdint>

#include "kernels/cuda/cuda_types.h"

namespace slmtune::kernels {

struct CudaCrossEntropy {
  // losses [count] of logits [count, columns] and targets [count], as cross_entropy.h says; a
  // soft_cap of 0 is none. Rows may start at any element. A target that is neither an id nor
  // kNoTarget gives the loss NaN: nothing is checked on the host, which would have to wait.
  int (*losses)(CudaRows rows, const void* logits, const int64_t* targets, float* losses,
                float soft_cap, CudaStream stream);
  // The same, and the logits become their gradient.
  int (*in_place)(CudaRows rows, void* logits, const int64_t* targets, float* losses,
                  float soft_cap, CudaStream stream);
};

int launch_cross_entropy(CudaRows rows, const void* logits, const int64_t* targets, float* losses,
                         float soft_cap, CudaStream stream);
int launch_cross_entropy_in_place(CudaRows rows, void* logits, const int64_t* targets,
                                  float* losses, float soft_cap, CudaStream stream);

}  // namespace slmtune::kernels
