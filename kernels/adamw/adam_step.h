// The numbers of one step of Adam, for the loops (adam_loops.h) and the kernels (adamw_cuda.h). No
// LibTorch and no CUDA type.
#pragma once
#include <cstdint>

namespace slmtune::kernels {

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

// Values whose squares are added up in one piece by sixteen sums side by side; fixed, so that no
// norm depends on threads or device.
inline constexpr int64_t kNormPiece = int64_t{1} << 15;
inline constexpr int kNormLanes = 16;

// Values that share a scale in the 8-bit moments.
inline constexpr int64_t kMomentBlock = 256;

}  // namespace slmtune::kernels
