// The optimisers' table in the CUDA module (kernels/cuda/module.h has the rules) and the launchers
// of adamw.cu that fill it. A step is judge(), then update() or update_8bit() for each range of
// the buffers that takes the same step; the host learns what was judged when it likes.
#pragma once
#include <cstdint>

#include "kernels/adamw/adam_step.h"
#include "kernels/cuda/cuda_types.h"

namespace slmtune::kernels {

// What is known of a step before anything is changed, in device memory.
struct AdamVerdict {
  double norm = 0.0;  // of the scaled gradients, before clipping
  float gradient_scale = 0.0f;
  int32_t applies = 0;  // 0: a number was not finite, and nothing changes
};

// [count] each, of one element type; all start at multiples of 16 bytes or none needs to.
struct AdamArrays {
  CudaElement element = CudaElement::kF32;
  const void* gradients = nullptr;
  void *parameters = nullptr, *exp_avg = nullptr, *exp_avg_sq = nullptr;
  int64_t count = 0;
};

// Up to kMomentBlock values of one tensor.
struct MomentBlock {
  int64_t first = 0;  // in gradients and parameters; a multiple of 4
  int64_t place = 0;  // in the codes, a multiple of kMomentBlock, or in the small moments
  int32_t count = 0;
  int32_t is_small = 0;  // keeps float32 moments and decays before its step, as AdamW
};

// The scales of the codes from `place` on stand at place / kMomentBlock. Gradients, parameters and
// codes start at multiples of 16 bytes; the codes have room for whole blocks.
struct Adam8bitArrays {
  CudaElement element = CudaElement::kF32;
  const void* gradients = nullptr;
  void* parameters = nullptr;
  const MomentBlock* blocks = nullptr;
  int64_t block_count = 0;
  uint8_t *exp_avg = nullptr, *exp_avg_sq = nullptr;
  float *exp_avg_scale = nullptr, *exp_avg_sq_scale = nullptr;
  float *small_exp_avg = nullptr, *small_exp_avg_sq = nullptr;
  const float *signed_map = nullptr, *unsigned_map = nullptr;  // [256] (quant/dynamic_map.h)
};

struct CudaAdamW {
  // Numbers of the workspace that judge() needs.
  int64_t (*norm_pieces)(int64_t count);
  // norm = √Σ gradients² · scale, as the optimiser sums on the CPU, bit for bit; gradient_scale =
  // scale · min(1, clip_norm / (norm + 1e-6)), without clipping where clip_norm is 0. `loss` (null:
  // none) must be finite as well.
  int (*judge)(const void* gradients, CudaElement element, int64_t count, const double* loss,
               double scale, double clip_norm, double* pieces, AdamVerdict* verdict,
               CudaStream stream);
  // adamw_loop with the verdict's gradient_scale.
  int (*update)(AdamStep step, AdamArrays arrays, const AdamVerdict* verdict, CudaStream stream);
  // adamw8bit_loop, and adamw_loop for small tensors, with the verdict's gradient_scale.
  int (*update_8bit)(AdamStep step, Adam8bitArrays arrays, const AdamVerdict* verdict,
                     CudaStream stream);
};

int64_t adamw_norm_pieces(int64_t count);
int launch_adamw_judge(const void* gradients, CudaElement element, int64_t count,
                       const double* loss, double scale, double clip_norm, double* pieces,
                       AdamVerdict* verdict, CudaStream stream);
int launch_adamw_update(AdamStep step, AdamArrays arrays, const AdamVerdict* verdict,
                        CudaStream stream);
int launch_adamw_update_8bit(AdamStep step, Adam8bitArrays arrays, const AdamVerdict* verdict,
                             CudaStream stream);

}  // namespace slmtune::kernels
