// Matrices of a block of attention and their products, on the calling thread. The factors of a
// product are as wide as its sums, or bfloat16 with sums in float32.
#pragma once
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>

#include "kernels/attention/attention_rows.h"
#include "kernels/matmul/bf16_factors.h"
#include "kernels/matmul/tiled_product.h"
#include "kernels/vector_math.h"

namespace slmtune::kernels {

// A matrix by rows, `stride` numbers apart.
template <typename Number>
struct Matrix {
  Number* data;
  int64_t stride;
  Matrix from_row(int64_t row) const { return {data + row * stride, stride}; }
};

enum class Side { kPlain, kTransposed };

// Memory of one thread, grown as needed. Aligned, because BLAS chooses its instructions, and with
// them the last bit, by the alignment of what it is given.
template <typename Number>
class Scratch {
 public:
  Number* of(int64_t count) {
    if (count > capacity_) {
      data_.reset(new (kAlignment) Number[static_cast<size_t>(count)]);
      capacity_ = count;
    }
    return data_.get();
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(Number* data) const { ::operator delete[](data, kAlignment); }
  };
  std::unique_ptr<Number[], Free> data_;
  int64_t capacity_ = 0;
};

// The right factor of a product, b [inner, columns] after transposing.
template <typename Number>
struct Right {
  Matrix<const Number> b;
  Side side = Side::kPlain;
  Panels<Number> panels = {};  // of b, where it is packed
};
template <>
struct Right<double> {
  Matrix<const double> b;
  Side side = Side::kPlain;
};

// What several products have as right factor, or a part of it: packed once, where tiles multiply.
template <typename Number>
class SharedRight {
 public:
  // Where b lies it stays.
  void take(Matrix<const Number> b, Side side, int64_t inner, int64_t columns) {
    whole_ = {b, side};
    if constexpr (!std::is_same_v<Number, double>)
      if (has_tiled_product<Number>())
        whole_.panels =
            pack_panels<Number>({b.data, b.stride, side == Side::kTransposed}, inner, columns,
                                packed_.of(panels_size<Number>(inner, columns)));
  }

  // From a row of what lies in memory on, a multiple of kPanelColumns.
  Right<Number> from_row(int64_t row) const {
    Right<Number> part{whole_.b.from_row(row), whole_.side};
    if constexpr (!std::is_same_v<Number, double>)
      if (whole_.panels.data != nullptr)
        part.panels = whole_.side == Side::kTransposed ? whole_.panels.from_column(row)
                                                       : whole_.panels.from_row(row);
    return part;
  }

 private:
  Right<Number> whole_{};
  Scratch<float> packed_;
};

enum class Into { kFresh, kAdded };

struct ProductSize {
  int64_t rows, columns, inner;
};

// c [rows, columns] = a · b, or added to c, with a [rows, inner] after transposing. A transposed a
// of bfloat16 is what rounded() makes, and every product of bfloat16 needs
// has_tiled_product<BFloat16Bits>(). An odd `inner` ends where the panels do.
void block_product(ProductSize size, Matrix<const float> a, Side a_side, const Right<float>& b,
                   Matrix<float> c, Into into = Into::kFresh);
void block_product(ProductSize size, Matrix<const double> a, Side a_side, const Right<double>& b,
                   Matrix<double> c, Into into = Into::kFresh);
void block_product(ProductSize size, Matrix<const BFloat16Bits> a, Side a_side,
                   const Right<BFloat16Bits>& b, Matrix<float> c, Into into = Into::kFresh);

// Rows in the type of a product's factors: where they are, or widened into `scratch`.
template <typename Factor, typename Number>
Matrix<const Factor> factors(Matrix<const Number> rows, int64_t count, int64_t width,
                             Scratch<Factor>& scratch) {
  if constexpr (std::is_same_v<Factor, Number>) {
    return rows;
  } else {
    Factor* out = scratch.of(count * width);
    widen_rows(rows.data, rows.stride, count, width, out);
    return {out, width};
  }
}

// Sums [count, width] side by side as a of the next product: as they are, or rounded into `scratch`
// in the form that a of this side has.
template <typename Factor, typename Wide>
Matrix<const Factor> rounded(const Wide* sums, int64_t count, int64_t width, Side side,
                             Scratch<Factor>& scratch) {
  if constexpr (std::is_same_v<Factor, Wide>) {
    return {sums, width};
  } else {
    Factor* out = scratch.of((count + 1) / 2 * 2 * width);
    if (side == Side::kPlain) {
      round_numbers(sums, count * width, out);
      return {out, width};
    }
    pair_rows(sums, width, count, width, out);
    return {out, 2 * width};
  }
}

}  // namespace slmtune::kernels
