// Thin names for the instructions of a warp's tensor core (sm_80 on): one function, one PTX
// instruction. All 32 lanes of a warp call them together. Only kernels include this file; compiled
// as C++ against tests/emulator, which brings twins of the same names and the same layout.
//
// Layout of the fragments of a 16×8 = 16×16 · 16×8 product (PTX ISA, "mma.m16n8k16"): lane l holds
// with g = l / 4 and t = l % 4, two bfloat16 per word, the lower column in the lower half,
//
//   A (row-major)     words[0] A[g, 2t..]   words[1] A[g + 8, 2t..]
//                     words[2] A[g, 2t + 8..]   words[3] A[g + 8, 2t + 8..]
//   B (k × n)         words[0] B[2t.., g]   words[1] B[2t + 8.., g]      (two rows k of column g)
//   C, D (float32)    values[0..1] C[g, 2t..]   values[2..3] C[g + 8, 2t..]
//
// So the accumulators of two neighbouring products, rounded to bfloat16, are the A fragment of the
// next product: {C0[0..1], C0[2..3], C1[0..1], C1[2..3]}.
#pragma once
#include "kernels/cuda/launch.cuh"

namespace slmtune::kernels {

struct FragmentA {
  uint32_t words[4];
};
struct FragmentB {
  uint32_t words[2];
};
struct Accumulator {
  float values[4];
};

// Two floats rounded to nearest even, `low` in the lower half: a word of a fragment.
__device__ inline uint32_t packed_bf16(float low, float high) {
  const __nv_bfloat162 both = __floats2bfloat162_rn(low, high);
  uint32_t word;
  memcpy(&word, &both, sizeof(word));
  return word;
}

#ifdef __CUDACC__

// c += a · b, products exact, sums in float32 (in an order of the hardware's own).
__device__ inline void multiply_add(Accumulator& c, const FragmentA& a, const FragmentB& b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c.values[0]), "+f"(c.values[1]), "+f"(c.values[2]), "+f"(c.values[3])
      : "r"(a.words[0]), "r"(a.words[1]), "r"(a.words[2]), "r"(a.words[3]), "r"(b.words[0]),
        "r"(b.words[1]));
}

// Four 8×8 matrices of 16-bit numbers out of shared memory. Lane l gives the address of row l % 8
// of matrix l / 8, 8 numbers side by side from a multiple of 16 bytes; word i of lane l becomes
// numbers 2·(l % 4) and the next of row l / 4 of matrix i.
__device__ inline void load_matrices(uint32_t (&words)[4], const void* row) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(address)
               : "memory");
}

// The same with every matrix transposed: numbers (2·(l % 4), l / 4) and (2·(l % 4) + 1, l / 4).
__device__ inline void load_matrices_transposed(uint32_t (&words)[4], const void* row) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(address)
               : "memory");
}

// Two matrices; lanes 0 to 15 give the rows, the others any valid address.
__device__ inline void load_matrices(uint32_t (&words)[2], const void* row) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(words[0]), "=r"(words[1])
               : "r"(address)
               : "memory");
}

__device__ inline void load_matrices_transposed(uint32_t (&words)[2], const void* row) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(words[0]), "=r"(words[1])
               : "r"(address)
               : "memory");
}

#else
// Twins: tests/emulator/tensor_core.cpp. `where` tells which call the lanes of a warp must share.
using CallPlace = std::source_location;
void multiply_add(Accumulator& c, const FragmentA& a, const FragmentB& b,
                  const CallPlace& where = CallPlace::current());
void load_matrices(uint32_t (&words)[4], const void* row,
                   const CallPlace& where = CallPlace::current());
void load_matrices(uint32_t (&words)[2], const void* row,
                   const CallPlace& where = CallPlace::current());
void load_matrices_transposed(uint32_t (&words)[4], const void* row,
                              const CallPlace& where = CallPlace::current());
void load_matrices_transposed(uint32_t (&words)[2], const void* row,
                              const CallPlace& where = CallPlace::current());
#endif

}  // namespace slmtune::kernels
