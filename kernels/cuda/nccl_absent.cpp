// For a LibTorch that brings no NCCL header: training on several GPUs is refused with P004.
#include "kernels/cuda/nccl_cuda.h"

namespace slmtune::kernels {

const CudaNccl& cuda_nccl() {
  static const CudaNccl table = {};
  return table;
}

}  // namespace slmtune::kernels
