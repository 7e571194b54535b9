// The storage formats of frozen weights, one row each.
#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "kernels/quant/dense/dense_weight.h"
#include "kernels/quant/frozen_weight.h"
#include "kernels/quant/names.h"

namespace slmtune::kernels {

const std::vector<QuantRow>& quant_formats() {
  static const std::vector<QuantRow> rows = {
      {"none",
       [](const at::Tensor& dense) -> std::unique_ptr<FrozenWeight> {
         return std::make_unique<DenseWeight>(dense);
       }},
  };
  return rows;
}

MakeFrozenWeight quant_format(const std::string& name) {
  for (const QuantRow& row : quant_formats())
    if (row.name == name) return row.make;
  throw UserError("R050", "model.quant", "unknown weight format '" + shown(name) + "'",
                  "this version knows " + quoted_list(quant_names()));
}

}  // namespace slmtune::kernels
