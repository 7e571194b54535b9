// The plain types that the area tables of the CUDA module share (module.h). No torch or CUDA type.
#pragma once
#include <cstdint>

struct CUstream_st;

namespace slmtune::kernels {

// A cudaStream_t, whose definition the program does not have. cuda_stream() of cuda_module.h gives
// the one to run on.
using CudaStream = CUstream_st*;

enum class CudaElement : int { kF32 = 0, kBF16 = 1 };

// A contiguous [count, columns] array of `element` on GPU number `device`.
struct CudaRows {
  int64_t count = 0, columns = 0;
  CudaElement element = CudaElement::kF32;
  int device = 0;
};

}  // namespace slmtune::kernels
