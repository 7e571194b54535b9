// What the program and libslmtune_cuda.so agree on: one table of C functions, no LibTorch type and
// no C++ class crosses it. The module is opened at run time (cuda_module.h), so the program starts
// and runs on machines without a GPU.
//
// Each area declares its own table next to its kernels (`<area>_cuda.h`) together with the
// launchers that fill it; module.cpp has one line per area. Rules of every entry:
// - pointers are device memory unless said otherwise;
// - kernels run on the `stream` they are given, the last parameter, and are not waited for:
//     check_cuda(opened_cuda_module().rms_norm.forward(…, cuda_stream(x.device().index())), "…");
// - it returns 0, or the cudaError_t that the launch gave (check_cuda turns it into an error).
#pragma once
#include <cstddef>

#include "kernels/adamw/adamw_cuda.h"
#include "kernels/attention/attention_cuda.h"
#include "kernels/cross_entropy/cross_entropy_cuda.h"
#include "kernels/cuda/graphs.h"
#include "kernels/cuda/host_cuda.h"
#include "kernels/cuda/nccl_cuda.h"
#include "kernels/embedding/embedding_cuda.h"
#include "kernels/gated_activation/gated_activation_cuda.h"
#include "kernels/quant/int8/int8_cuda.h"
#include "kernels/quant/nf4/nf4_cuda.h"
#include "kernels/rms_norm/rms_norm_cuda.h"
#include "kernels/rope/rope_cuda.h"

namespace slmtune::kernels {

inline constexpr int kCudaModuleAbi = 3;

struct CudaModule {
  int abi;       // kCudaModuleAbi of the module's build; first, so that any version can read it
  size_t bytes;  // sizeof(CudaModule) there

  CudaHost host;
  CudaGraphs graphs;
  CudaNccl nccl;
  CudaAdamW adamw;
  CudaAttention attention;
  CudaCrossEntropy cross_entropy;
  CudaInt8 int8;
  CudaNf4 nf4;
  CudaEmbedding embedding;
  CudaGatedActivation gated_activation;
  CudaRmsNorm rms_norm;
  CudaRope rope;
};

}  // namespace slmtune::kernels

// The module's one exported function.
extern "C" const slmtune::kernels::CudaModule* slmtune_cuda_module();
