// Products with the table of a head, a row for each token of the vocabulary. Beside weights of
// fewer bits it stays as narrow as its file has it (models/load.cpp) under wider arithmetic: its
// rows are widened a piece at a time where they are used, so that no wide copy of the whole ever
// exists.
//
//   table_scores(hidden, table, logits);       // logits = hidden·tableᵀ
//   table_mix(gradient, table, of_hidden);     // of_hidden = gradient·table
//
// Bound: 2·N·V·D operations, and V·D values read and widened, which a product of 512 rows hides.
#pragma once
#include <ATen/core/Tensor.h>

namespace slmtune::kernels {

// x [N, D], table [V, D] of x's type or a narrower one that it holds exactly -> out [N, V], of x's
// type, whose rows may lie apart. No gradient.
void table_scores(const at::Tensor& x, const at::Tensor& table, at::Tensor& out);

// g [N, V], whose rows may lie apart, table [V, D] as above -> out [N, D], contiguous, of g's type.
// No gradient.
void table_mix(const at::Tensor& g, const at::Tensor& table, at::Tensor& out);

// x [N, D] -> x·tableᵀ [N, V] in x's type, with gradient to x, and to a table of x's type.
at::Tensor scores(const at::Tensor& x, const at::Tensor& table);

}  // namespace slmtune::kernels
