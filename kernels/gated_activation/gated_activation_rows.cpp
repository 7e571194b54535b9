#include "kernels/gated_activation/gated_activation_rows.h"

#include "kernels/vector_variants.h"

namespace slmtune::kernels {
namespace {

// act(g) = g·σ(a(g)); what differs between the activations is a and its derivative.
struct Silu {
  [[gnu::always_inline]] static float inner(float g) { return g; }
  [[gnu::always_inline]] static float inner_slope(float) { return 1.0f; }
};

struct GeluTanh {
  static constexpr float kTwiceRootTwoOverPi = 1.5957691216057308f, kCubic = 0.044715f;
  [[gnu::always_inline]] static float inner(float g) {
    return kTwiceRootTwoOverPi * (g + kCubic * g * g * g);
  }
  [[gnu::always_inline]] static float inner_slope(float g) {
    return kTwiceRootTwoOverPi * (1.0f + 3.0f * kCubic * g * g);
  }
};

template <typename Activation, typename Number>
[[gnu::always_inline]] inline void forward(const Number* gate, const Number* up, Number* hidden,
                                           const GatedRows& shape) {
  for (int64_t r = 0; r < shape.rows; ++r) {
#pragma omp simd
    for (int64_t c = 0; c < shape.columns; ++c) {
      const float g = number(gate[c]);
      store_number(g * logistic(Activation::inner(g)) * number(up[c]), hidden + c);
    }
    gate += shape.gate_stride;
    up += shape.up_stride;
    hidden += shape.hidden_stride;
  }
}

template <typename Activation, typename Number>
[[gnu::always_inline]] inline void backward(Number* gate, Number* up, Number* hidden,
                                            const GatedRows& shape) {
  for (int64_t r = 0; r < shape.rows; ++r) {
#pragma omp simd
    for (int64_t c = 0; c < shape.columns; ++c) {
      const float g = number(gate[c]), u = number(up[c]), dh = number(hidden[c]);
      const float share = logistic(Activation::inner(g));
      const float active = g * share;
      const float slope = share + active * (1.0f - share) * Activation::inner_slope(g);
      store_number(active * u, hidden + c);
      store_number(dh * u * slope, gate + c);
      store_number(dh * active, up + c);
    }
    gate += shape.gate_stride;
    up += shape.up_stride;
    hidden += shape.hidden_stride;
  }
}

}  // namespace

SLMTUNE_VECTOR_VARIANTS
void silu_gated_rows(const float* gate, const float* up, float* hidden, GatedRows shape) {
  forward<Silu>(gate, up, hidden, shape);
}
SLMTUNE_VECTOR_VARIANTS
void silu_gated_rows(const BFloat16Bits* gate, const BFloat16Bits* up, BFloat16Bits* hidden,
                     GatedRows shape) {
  forward<Silu>(gate, up, hidden, shape);
}
SLMTUNE_VECTOR_VARIANTS
void gelu_gated_rows(const float* gate, const float* up, float* hidden, GatedRows shape) {
  forward<GeluTanh>(gate, up, hidden, shape);
}
SLMTUNE_VECTOR_VARIANTS
void gelu_gated_rows(const BFloat16Bits* gate, const BFloat16Bits* up, BFloat16Bits* hidden,
                     GatedRows shape) {
  forward<GeluTanh>(gate, up, hidden, shape);
}

SLMTUNE_VECTOR_VARIANTS
void silu_gated_rows_backward(float* gate, float* up, float* hidden, GatedRows shape) {
  backward<Silu>(gate, up, hidden, shape);
}
SLMTUNE_VECTOR_VARIANTS
void silu_gated_rows_backward(BFloat16Bits* gate, BFloat16Bits* up, BFloat16Bits* hidden,
                              GatedRows shape) {
  backward<Silu>(gate, up, hidden, shape);
}
SLMTUNE_VECTOR_VARIANTS
void gelu_gated_rows_backward(float* gate, float* up, float* hidden, GatedRows shape) {
  backward<GeluTanh>(gate, up, hidden, shape);
}
SLMTUNE_VECTOR_VARIANTS
void gelu_gated_rows_backward(BFloat16Bits* gate, BFloat16Bits* up, BFloat16Bits* hidden,
                              GatedRows shape) {
  backward<GeluTanh>(gate, up, hidden, shape);
}

}  // namespace slmtune::kernels
