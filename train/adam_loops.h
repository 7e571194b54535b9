// The inner loops of Adam (Kingma & Ba 2015; Loshchilov & Hutter 2019) over raw pointers, without
// LibTorch. Every value is worked out by itself, with separate multiplications and additions, so
// that the results are the same bits for any instruction set, number of threads and division of the
// work.
#pragma once
#include <cstdint>

namespace slmtune::train {

// One step's numbers. With t steps done, this one counted: size = learning rate / (1 − beta1^t),
// root = 1 / √(1 − beta2^t), keep = 1 − learning rate · weight decay.
struct AdamStep {
  float gradient_scale = 1.0f;
  float beta1 = 0.9f, rest1 = 0.1f;  // rest = 1 − beta
  float beta2 = 0.999f, rest2 = 0.001f;
  float size = 0.0f, root = 1.0f, epsilon = 1e-8f, keep = 1.0f;
};

struct AdamFacts {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0.0;
};
AdamStep adam_step(const AdamFacts& facts, double learning_rate, int64_t step,
                   double gradient_scale);

// In double precision, as sixteen sums side by side that are added up at the end.
double sum_of_squares(const float* x, int64_t count);

// p ← p · keep − size · m / (√v · root + epsilon), after m ← beta1 · m + rest1 · g and
// v ← beta2 · v + rest2 · g².
void adamw_loop(const AdamStep& step, int64_t count, const float* gradient, float* parameter,
                float* exp_avg, float* exp_avg_sq);

// Values that share a scale in the 8-bit moments.
inline constexpr int64_t kMomentBlock = 256;

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

}  // namespace slmtune::train
