// The CPU loops of the gated activations over raw pointers; gated_activation.cpp calls them from
// parallel_for.
#pragma once
#include <cstdint>

#include "kernels/vector_math.h"

namespace slmtune::kernels {

// Distances between rows, in elements; elements of a row lie side by side.
struct GatedRows {
  int64_t rows, columns;
  int64_t hidden_stride, gate_stride, up_stride;
};

// hidden = act(gate) · up. `hidden` may be `gate` or `up`.
void silu_gated_rows(const float* gate, const float* up, float* hidden, GatedRows shape);
void silu_gated_rows(const BFloat16Bits* gate, const BFloat16Bits* up, BFloat16Bits* hidden,
                     GatedRows shape);
void gelu_gated_rows(const float* gate, const float* up, float* hidden, GatedRows shape);
void gelu_gated_rows(const BFloat16Bits* gate, const BFloat16Bits* up, BFloat16Bits* hidden,
                     GatedRows shape);

// hidden holds dh and becomes h; gate becomes dgate; up becomes dup.
void silu_gated_rows_backward(float* gate, float* up, float* hidden, GatedRows shape);
void silu_gated_rows_backward(BFloat16Bits* gate, BFloat16Bits* up, BFloat16Bits* hidden,
                              GatedRows shape);
void gelu_gated_rows_backward(float* gate, float* up, float* hidden, GatedRows shape);
void gelu_gated_rows_backward(BFloat16Bits* gate, BFloat16Bits* up, BFloat16Bits* hidden,
                              GatedRows shape);

}  // namespace slmtune::kernels
