#include "kernels/embedding/embedding.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/error.h"
#include "kernels/cuda/cuda_module.h"
#include "kernels/cuda/cuda_tensors.h"

namespace slmtune::kernels {
namespace {

// The factor as the rows' dtype has it.
at::Tensor rounded_factor(const at::Tensor& rows, double scale) {
  return at::scalar_tensor(scale, at::TensorOptions().dtype(rows.scalar_type()));
}

at::Tensor gathered_cuda(const at::Tensor& table, const at::Tensor& ids, double scale) {
  at::Tensor out = at::empty({ids.size(0), table.size(1)}, table.options());
  check_cuda(opened_cuda_module().embedding.gather(
                 cuda_rows(out), table.const_data_ptr(), table.size(0),
                 ids.const_data_ptr<int64_t>(), rounded_factor(table, scale).item<float>(),
                 out.mutable_data_ptr(), cuda_stream(table.device().index())),
             "embedding");
  return out;
}

}  // namespace

at::Tensor embedding(const at::Tensor& table, const at::Tensor& ids,
                     const EmbeddingOptions& options) {
  SLMTUNE_ASSERT(table.dim() == 2 && ids.dim() == 1, "one row of the table per token");
  const bool records = at::GradMode::is_enabled() && table.requires_grad();
  const at::ScalarType type = options.type.value_or(table.scalar_type());
  if (has_cuda_kernels(table) && !records && ids.numel() > 0 && table.numel() > 0) {
    SLMTUNE_ASSERT(type == table.scalar_type(), "a table on a GPU has the type of the arithmetic");
    return gathered_cuda(table.contiguous(), ids.contiguous(), options.scale);
  }
  const at::Tensor rows = at::embedding(table, ids, options.pad_id).to(type);
  return options.scale == 1.0 ? rows : rows * rounded_factor(table, options.scale);
}

}  // namespace slmtune::kernels
