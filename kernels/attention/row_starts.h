// Where the rows of a packed micro-batch start, on the host and, for kernels, on the device: made
// once per micro-batch and shared by all layers.
//
//   RowStarts rows = std::vector<int64_t>{0, 120, 200};   // two rows
//   RowStarts there = rows.on(x.device());                // one copy, then none
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace slmtune::kernels {

struct RowStarts {
  RowStarts() = default;
  // Both implicit: lists of starts are rows.
  RowStarts(std::vector<int64_t> row_starts);
  RowStarts(std::initializer_list<int64_t> row_starts);

  // Row i is starts[i] … starts[i+1]-1; rows + 1 entries, from 0 to the number of tokens.
  std::vector<int64_t> starts;
  // The tokens of the longest row. May be larger (steps of one captured graph share it).
  int64_t longest = 0;
  // `starts` as int32 on the tokens' device; undefined on the CPU.
  at::Tensor offsets;

  int64_t rows() const { return static_cast<int64_t>(starts.size()) - 1; }
  // With offsets, if the device is not the CPU; itself where they are there already.
  RowStarts on(at::Device device) const;
};

int64_t longest_row(const std::vector<int64_t>& starts);

// `values` as int32 on `device`. To a GPU from pinned memory, without waiting for the copy.
at::Tensor int32_on(const std::vector<int64_t>& values, at::Device device);

}  // namespace slmtune::kernels
