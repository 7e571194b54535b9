#include "kernels/attention/block_product.h"

// The BLAS inside LibTorch; called inside parallel_for it runs on the calling thread.
extern "C" {
void sgemm_(const char* trans_a, const char* trans_b, const int* m, const int* n, const int* k,
            const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
            const float* beta, float* c, const int* ldc);
void dgemm_(const char* trans_a, const char* trans_b, const int* m, const int* n, const int* k,
            const double* alpha, const double* a, const int* lda, const double* b, const int* ldb,
            const double* beta, double* c, const int* ldc);
}

namespace slmtune::kernels {
namespace {

// BLAS counts columns first, so it is asked for the transposed product. Never with a factor: with
// one, MKL's last bit depends on the number of threads.
template <typename Wide, typename Blas>
void multiply_by_blas(Blas blas, ProductSize size, Matrix<const Wide> a, Side a_side,
                      const Right<Wide>& right, Matrix<Wide> c, Into into) {
  const Matrix<const Wide> b = right.b;
  const char first = right.side == Side::kTransposed ? 'T' : 'N';
  const char second = a_side == Side::kTransposed ? 'T' : 'N';
  const auto rows = static_cast<int>(size.columns), columns = static_cast<int>(size.rows),
             inner = static_cast<int>(size.inner);
  const auto a_stride = static_cast<int>(a.stride), b_stride = static_cast<int>(b.stride),
             c_stride = static_cast<int>(c.stride);
  const Wide alpha{1}, beta{into == Into::kAdded ? Wide{1} : Wide{0}};
  blas(&first, &second, &rows, &columns, &inner, &alpha, b.data, &b_stride, a.data, &a_stride,
       &beta, c.data, &c_stride);
}

template <typename Number>
void multiply_in_tiles(ProductSize size, Matrix<const Number> a, Side a_side,
                       const Right<Number>& right, Matrix<float> c, Into into) {
  const Matrix<const Number> b = right.b;
  multiply_tiled(
      TiledProduct<Number, float>{.a = {a.data, a.stride, a_side == Side::kTransposed},
                                  .b = {b.data, b.stride, right.side == Side::kTransposed},
                                  .out = c.data,
                                  .out_stride = c.stride,
                                  .rows = size.rows,
                                  .inner = size.inner,
                                  .columns = size.columns,
                                  .addend = into == Into::kAdded ? c.data : nullptr,
                                  .addend_stride = c.stride,
                                  .panels = right.panels});
}

}  // namespace

void block_product(ProductSize size, Matrix<const float> a, Side a_side, const Right<float>& b,
                   Matrix<float> c, Into into) {
  static const bool in_tiles = has_tiled_product<float>();
  if (in_tiles)
    multiply_in_tiles(size, a, a_side, b, c, into);
  else
    multiply_by_blas(sgemm_, size, a, a_side, b, c, into);
}

void block_product(ProductSize size, Matrix<const double> a, Side a_side, const Right<double>& b,
                   Matrix<double> c, Into into) {
  multiply_by_blas(dgemm_, size, a, a_side, b, c, into);
}

void block_product(ProductSize size, Matrix<const BFloat16Bits> a, Side a_side,
                   const Right<BFloat16Bits>& b, Matrix<float> c, Into into) {
  multiply_in_tiles(size, a, a_side, b, c, into);
}

}  // namespace slmtune::kernels
