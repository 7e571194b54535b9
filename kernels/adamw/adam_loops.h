// The inner loops of Adam (Kingma & Ba 2015; Loshchilov & Hutter 2019) over raw pointers, without
// LibTorch. Every value is worked out by itself, with separate multiplications and additions, so
// that the results are the same bits for any instruction set, number of threads and division of the
// work.
#pragma once
#include <cstdint>

#include "kernels/adamw/adam_step.h"

namespace slmtune::kernels {

// In double precision, as sixteen sums side by side that are added up at the end.
double sum_of_squares(const float* x, int64_t count);

// p ← p · keep − size · m / (√v · root + epsilon), after m ← beta1 · m + rest1 · g and
// v ← beta2 · v + rest2 · g².
void adamw_loop(const AdamStep& step, int64_t count, const float* gradient, float* parameter,
                float* exp_avg, float* exp_avg_sq);

// The 8-bit moments of up to kMomentBlock values: a code of the dynamic map per value (signed for
// the first moment, unsigned for the second), and the largest magnitude of the block.
struct QuantisedBlock {
  uint8_t* exp_avg = nullptr;
  float* exp_avg_scale = nullptr;
  uint8_t* exp_avg_sq = nullptr;
  float* exp_avg_sq_scale = nullptr;
};

// As adamw_loop, but with the decay after the step and the moments written back as the nearest
// codes; the code of a negative first moment stays below that of 0 (8-bit Optimizers via Block-wise
// Quantization, https://arxiv.org/abs/2110.02861; bitsandbytes, csrc/kernels.cu).
void adamw8bit_loop(const AdamStep& step, int64_t count, const float* gradient, float* parameter,
                    const QuantisedBlock& moments);

}  // namespace slmtune::kernels
