#include "kernels/matmul/table.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/error.h"
#include "kernels/matmul/product.h"

namespace slmtune::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Of a widened piece: it stays in the second cache of a core or two between widening and product.
constexpr int64_t kPieceBytes = 4 << 20;

// Calls body(rows of the table in `type`, first, count) piece after piece.
template <typename Body>
void over_pieces(const at::Tensor& table, at::ScalarType type, const Body& body) {
  const int64_t rows = table.size(0), width = table.size(1);
  const auto value = static_cast<int64_t>(c10::elementSize(type));
  const int64_t fit = kPieceBytes / (std::max<int64_t>(width, 1) * value);
  const int64_t step = std::min(rows, std::max<int64_t>(fit, 1));
  const at::Tensor buffer = at::empty({step, width}, table.options().dtype(type));
  for (int64_t first = 0; first < rows; first += step) {
    const int64_t count = std::min(step, rows - first);
    at::Tensor piece = buffer.narrow(0, 0, count);
    piece.copy_(table.narrow(0, first, count));
    body(piece, first, count);
  }
}

struct Scores : torch::autograd::Function<Scores> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& table) {
    context->save_for_backward({table});
    at::Tensor out = at::empty({x.size(0), table.size(0)}, x.options());
    table_scores(x, table, out);
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const at::Tensor table = context->get_saved_variables()[0];
    at::Tensor out = at::empty({gradients[0].size(0), table.size(1)}, gradients[0].options());
    table_mix(gradients[0].contiguous(), table, out);
    return {out, {}};
  }
};

}  // namespace

void table_scores(const at::Tensor& x, const at::Tensor& table, at::Tensor& out) {
  const at::NoGradGuard no_graph;
  if (table.scalar_type() == x.scalar_type()) {
    product_into(out, x, table.t());
    return;
  }
  over_pieces(table, x.scalar_type(), [&](const at::Tensor& piece, int64_t first, int64_t count) {
    at::Tensor columns = out.narrow(1, first, count);
    product_into(columns, x, piece.t());
  });
}

void table_mix(const at::Tensor& g, const at::Tensor& table, at::Tensor& out) {
  const at::NoGradGuard no_graph;
  if (table.scalar_type() == g.scalar_type()) {
    product_into(out, g, table);
    return;
  }
  over_pieces(table, g.scalar_type(), [&](const at::Tensor& piece, int64_t first, int64_t count) {
    const at::Tensor columns = g.narrow(1, first, count);
    if (first == 0)
      product_into(out, columns, piece);
    else
      add_product(out, columns, piece);
  });
}

at::Tensor scores(const at::Tensor& x, const at::Tensor& table) {
  if (table.scalar_type() == x.scalar_type()) return linear_product(x, table);
  SLMTUNE_ASSERT(!table.requires_grad(), "a table that trains has the type of the arithmetic");
  return Scores::apply(x, table);
}

}  // namespace slmtune::kernels
