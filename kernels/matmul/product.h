// Products of matrices, without a gradient but for linear_product(): float32 and bfloat16 on the
// CPU by tiled_product.h where the machine has its instructions, everything else by LibTorch.
//
//   y = product(x, w.t());          // x·wᵀ: a transposed view costs nothing
//   add_product(y, low, b.t());     // y += low·bᵀ
#pragma once
#include <ATen/core/Tensor.h>

namespace slmtune::kernels {

// Whether products of this type on this CPU are tiled_product.h's.
bool multiplies_in_tiles(at::ScalarType type);

// a [.., R], b [R, C] of a's type -> a·b [.., C] of that type, contiguous.
at::Tensor product(const at::Tensor& a, const at::Tensor& b);

// The same kept in `type`: a's, or float32, in which the sums of bfloat16 are made.
at::Tensor product_as(at::ScalarType type, const at::Tensor& a, const at::Tensor& b);

// out [M, C], whose rows may lie apart, = a·b.
void product_into(at::Tensor& out, const at::Tensor& a, const at::Tensor& b);

// out += scale·a·b.
void add_product(at::Tensor& out, const at::Tensor& a, const at::Tensor& b, double scale = 1.0);

// start + a·b, contiguous: `start` is [M, C], or [C] for every row.
at::Tensor product_on(const at::Tensor& start, const at::Tensor& a, const at::Tensor& b);

// What an adapter adds to a product: scale · a·b with a [M, L] and b [L, C] of its type.
struct LowProduct {
  at::Tensor a, b;
  double scale = 1.0;
};

// start + a·b + low, [M, C] contiguous; `start` as above, or undefined. In tiles all is added
// before the result is rounded, with scale · low.b rounded first.
at::Tensor product_with(const at::Tensor& start, const at::Tensor& a, const at::Tensor& b,
                        const LowProduct& low);

// x [.., in], w [out, in] of x's type -> x·wᵀ [.., out], with gradient to both where they want one.
at::Tensor linear_product(const at::Tensor& x, const at::Tensor& w);

}  // namespace slmtune::kernels
