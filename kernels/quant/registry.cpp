// The storage formats of frozen weights, one row each.
#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "kernels/quant/bf16/bf16_weight.h"
#include "kernels/quant/dense/dense_weight.h"
#include "kernels/quant/frozen_weight.h"
#include "kernels/quant/int8/int8_weight.h"
#include "kernels/quant/names.h"
#include "kernels/quant/nf4/nf4_weight.h"

namespace slmtune::kernels {

namespace {

template <typename Weight>
std::unique_ptr<FrozenWeight> make(const at::Tensor& dense) {
  return std::make_unique<Weight>(dense);
}

}  // namespace

const std::vector<QuantRow>& quant_formats() {
  static const std::vector<QuantRow> rows = {
      {"none", make<DenseWeight>},
      {"bf16", make<Bf16Weight>},
      {"nf4", make<Nf4Weight>},
      {"int8", make<Int8Weight>}};
  return rows;
}

MakeFrozenWeight quant_format(const std::string& name) {
  for (const QuantRow& row : quant_formats())
    if (row.name == name) return row.make;
  throw UserError("R050", "model.quant", "unknown weight format '" + shown(name) + "'",
                  "this version knows " + quoted_list(quant_names()));
}

}  // namespace slmtune::kernels
