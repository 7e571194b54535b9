// int8's table in the CUDA module (kernels/cuda/module.h has the rules) and the launchers of
// int8.cu that fill it. Codes and values are those of int8_rows.h.
#pragma once
#include <cstdint>

#include "kernels/cuda/cuda_types.h"

namespace slmtune::kernels {

struct CudaInt8 {
  // values [count, columns] = codes · (absmax / 127), in float32, rounded to rows.element; rows of
  // values begin `stride` apart.
  int (*dequantise)(CudaRows rows, const int8_t* codes, const float* absmax, void* values,
                    int64_t stride, CudaStream stream);
  // codes [count, columns] and absmax [count] out of `weights` of rows.element.
  int (*quantise)(CudaRows rows, const void* weights, int8_t* codes, float* absmax,
                  CudaStream stream);
};

int launch_int8_dequantise(CudaRows rows, const int8_t* codes, const float* absmax, void* values,
                           int64_t stride, CudaStream stream);
int launch_int8_quantise(CudaRows rows, const void* weights, int8_t* codes, float* absmax,
                         CudaStream stream);

}  // namespace slmtune::kernels
