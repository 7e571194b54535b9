// NF4's table in the CUDA module (kernels/cuda/module.h has the rules) and the launchers of nf4.cu
// that fill it. Bytes and values are those of nf4_blocks.h and dynamic_map.h.
#pragma once
#include <cstdint>

#include "kernels/cuda/cuda_types.h"

namespace slmtune::kernels {

// A stored 4-bit weight of `count` values (nf4_weight.h). Blocks hold 2^block_bits values, from 32
// to 4096; their scales share a scale 2^nested_bits at a time.
struct CudaNf4Blocks {
  const uint8_t* packed = nullptr;       // [(count + 1) / 2]
  const void* absmax = nullptr;          // uint8 [blocks], or float32 where nested_absmax is null
  const float* nested_absmax = nullptr;  // [ceil(blocks / 2^nested_bits)]
  const float* map = nullptr;            // [256], the signed dynamic map; null as nested_absmax
  float offset = 0.0f;
  int block_bits = 6, nested_bits = 8;
  int64_t count = 0;
  // Where values go: rows of `columns` that begin `stride` apart; columns 0: one behind the other.
  int64_t columns = 0, stride = 0;
};

struct CudaNf4 {
  // `count` values of `element`: the float32 product of code and block scale, rounded to nearest.
  // Rows that stand apart have fewer than 2^32 values together.
  int (*dequantise)(CudaNf4Blocks from, CudaElement element, void* values, CudaStream stream);
  // packed [(count + 1) / 2] and absmax [blocks] out of `weights` [count] of `element`.
  int (*quantise)(const void* weights, CudaElement element, int64_t count, int block_bits,
                  uint8_t* packed, float* absmax, CudaStream stream);
  // The second quantisation, of absmax − offset: codes [count] and a scale per 2^nested_bits.
  int (*quantise_scales)(const float* absmax, int64_t count, float offset, const float* map,
                         int nested_bits, uint8_t* codes, float* nested_absmax, CudaStream stream);
};

int launch_nf4_dequantise(CudaNf4Blocks from, CudaElement element, void* values, CudaStream stream);
int launch_nf4_quantise(const void* weights, CudaElement element, int64_t count, int block_bits,
                        uint8_t* packed, float* absmax, CudaStream stream);
int launch_nf4_quantise_scales(const float* absmax, int64_t count, float offset, const float* map,
                               int nested_bits, uint8_t* codes, float* nested_absmax,
                               CudaStream stream);

}  // namespace slmtune::kernels
