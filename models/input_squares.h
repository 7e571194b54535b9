// Sums of squares of what goes into each linear layer, column by column, while one lives: how much
// a column matters when weights are rounded (export/importance/).
//
//   InputSquares squares(model);
//   model.hidden(ids, layout);                  // as often as wanted, without gradients
//   squares.columns().at("model.layers.0.mlp.up_proj");   // Σ x² of each column; how many rows
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>

#include "models/causal_lm.h"

namespace slmtune::models {

class InputSquares {
 public:
  struct Columns {
    at::Tensor sums;   // [in] float64, on the model's device
    int64_t rows = 0;  // vectors x that were added up
  };

  // `model` must live as long; one at a time for a model.
  explicit InputSquares(CausalLM& model);
  ~InputSquares();
  InputSquares(const InputSquares&) = delete;
  InputSquares& operator=(const InputSquares&) = delete;

  // By module name.
  const std::map<std::string, Columns>& columns() const { return columns_; }

 private:
  void add(const std::string& module, const at::Tensor& x);

  CausalLM& model_;
  std::map<std::string, Columns> columns_;
  // Linears side by side are fed the same tensor: its squares are added up once.
  at::Tensor last_, last_sums_;
};

}  // namespace slmtune::models
