// Rows of an embedding table, times a factor (Gemma's √hidden):
//
//   at::Tensor x = embedding(table, ids, {.pad_id = config.pad_id});                  // [T, D]
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>

namespace slmtune::kernels {

struct EmbeddingOptions {
  int64_t pad_id = -1;  // a row of the table that gets no gradient; -1 = none
  double scale = 1.0;   // rounded to the rows' dtype first, as in training; 1: left out
  // Of the rows; the table's where it is left out. Wider on the CPU only.
  std::optional<at::ScalarType> type = {};
};

// table [V, D] floating point, ids [T] int64 below V on the same device -> [T, D] of the wanted
// dtype. Differentiable in the table. On a GPU, without a gradient, in one pass (float32 and
// bfloat16; an id outside the table gives a row of NaN); else through LibTorch's operators.
at::Tensor embedding(const at::Tensor& table, const at::Tensor& ids,
                     const EmbeddingOptions& options);

}  // namespace slmtune::kernels
