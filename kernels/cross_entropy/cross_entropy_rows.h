// The CPU loops of the cross-entropy over raw pointers; cross_entropy.cpp calls them from
// parallel_for. Results do not depend on the number of threads.
#pragma once
#include <cstdint>

#include "kernels/vector_math.h"

namespace slmtune::kernels {

struct LogitRows {
  int64_t rows, vocabulary;
  float soft_cap;  // 0: none
};

// losses[r] = log Σ_v e^z − z[target], 0 for a target of −100 (kNoTarget of cross_entropy.h)
void cross_entropy_rows(const float* logits, const int64_t* targets, float* losses,
                        LogitRows shape);
void cross_entropy_rows(const BFloat16Bits* logits, const int64_t* targets, float* losses,
                        LogitRows shape);

// Then logits[r, :] = (softmax(z) − onehot) · dz/dlogits, 0 for that target.
void cross_entropy_rows_in_place(float* logits, const int64_t* targets, float* losses,
                                 LogitRows shape);
void cross_entropy_rows_in_place(BFloat16Bits* logits, const int64_t* targets, float* losses,
                                 LogitRows shape);

}  // namespace slmtune::kernels
