#include "kernels/matmul/matmul.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "kernels/matmul/product.h"

namespace slmtune::kernels {
namespace {

// Largest code.
double limit_of(Matmul matmul) {
  return matmul == Matmul::kInt8 ? 127.0 : 448.0;
}

// codes(a)·codes(b)ᵀ, a [M, K], b [N, K], rescaled.
at::Tensor coded_product(const RowCodes& a, const RowCodes& b, Matmul matmul, at::ScalarType type) {
  const at::Tensor columns = b.codes.t(), column_scales = b.scales.t().contiguous();
  if (!a.codes.is_cpu() && matmul == Matmul::kFp8)
    return at::_scaled_mm(a.codes, columns, a.scales, column_scales, {}, {}, at::kBFloat16,
                          /*use_fast_accum=*/false)
        .to(type);
  // float64 holds the sums of whole numbers exactly, as int32 does.
  const at::ScalarType wide = matmul == Matmul::kInt8 ? at::kDouble : at::kFloat;
  const at::Tensor sums =
      a.codes.is_cpu() ? a.codes.to(wide).mm(columns.to(wide)) : at::_int_mm(a.codes, columns);
  return sums.to(at::kFloat).mul_(a.scales).mul_(column_scales).to(type);
}

bool takes_codes(Matmul matmul, const at::Tensor& x, int64_t inner, int64_t columns) {
  if (matmul == Matmul::kModel) return false;
  return x.is_cpu() || is_served(matmul, x.size(0), inner, columns);
}

}  // namespace

Matmul matmul_of(const std::string& word) {
  if (word == "fp8") return Matmul::kFp8;
  if (word == "int8") return Matmul::kInt8;
  SLMTUNE_ASSERT(word == "bf16", "the recipe reader refuses other words");
  return Matmul::kModel;
}

bool is_served(Matmul matmul, int64_t rows, int64_t inner, int64_t columns) {
  if (matmul == Matmul::kInt8) return rows > 16 && inner % 8 == 0 && columns % 8 == 0;
  return matmul == Matmul::kFp8 && rows > 0 && inner % 16 == 0 && columns % 16 == 0;
}

RowCodes row_codes(const at::Tensor& x, Matmul matmul) {
  const double limit = limit_of(matmul);
  // abs() and amax() of bfloat16 lose nothing.
  const at::Tensor largest = x.abs().amax(1, /*keepdim=*/true).to(at::kFloat);
  const at::Tensor scales = at::where(largest > 0, largest / limit, 1.0f).contiguous();
  const at::Tensor scaled = (x / scales).clamp_(-limit, limit);
  if (matmul == Matmul::kInt8) return {scaled.round().to(at::kChar), scales};
  return {scaled.to(at::kFloat8_e4m3fn), scales};
}

at::Tensor times_transposed(const at::Tensor& x, const at::Tensor& w, Matmul matmul) {
  if (!takes_codes(matmul, x, x.size(1), w.size(0))) return product(x, w.t());
  return coded_product(row_codes(x, matmul), row_codes(w, matmul), matmul, x.scalar_type());
}

at::Tensor times(const at::Tensor& g, const at::Tensor& w, Matmul matmul) {
  if (!takes_codes(matmul, g, w.size(0), w.size(1))) return product(g, w);
  const at::Tensor turned = w.t().contiguous();  // cuBLAS wants both along the inner side
  return coded_product(row_codes(g, matmul), row_codes(turned, matmul), matmul, g.scalar_type());
}

void check_matmul(Matmul matmul, int capability, const std::string& device) {
  if (matmul == Matmul::kModel) return;
  const bool is_int8 = matmul == Matmul::kInt8;
  const std::string word = is_int8 ? "int8" : "fp8";
  if (capability >= (is_int8 ? 80 : 89)) return;
  throw UnavailableError(
      "G015", "train.matmul",
      "'" + word + "' products are not available on " + device + ": they need a GPU " +
          (is_int8 ? "of compute capability 8.0 or later (RTX 30, A100)"
                   : "of compute capability 8.9 or later (RTX 40 and 50, L4, H100, H200)"),
      "remove train.matmul, which multiplies in the numbers of the model" +
          std::string(!is_int8 && capability >= 80 ? ", or write 'matmul: int8'" : ""));
}

}  // namespace slmtune::kernels
