#include "kernels/attention/row_starts.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

namespace slmtune::kernels {

RowStarts::RowStarts(std::vector<int64_t> row_starts)
    : starts(std::move(row_starts)), longest(longest_row(starts)) {}

RowStarts::RowStarts(std::initializer_list<int64_t> row_starts)
    : RowStarts(std::vector<int64_t>(row_starts)) {}

RowStarts RowStarts::on(at::Device device) const {
  RowStarts there = *this;
  if (!device.is_cpu() && !offsets.defined()) there.offsets = int32_on(starts, device);
  return there;
}

int64_t longest_row(const std::vector<int64_t>& starts) {
  int64_t longest = 0;
  for (size_t row = 0; row + 1 < starts.size(); ++row)
    longest = std::max(longest, starts[row + 1] - starts[row]);
  return longest;
}

at::Tensor int32_on(const std::vector<int64_t>& values, at::Device device) {
  const at::Tensor host =
      at::empty({static_cast<int64_t>(values.size())},
                at::TensorOptions().dtype(at::kInt).pinned_memory(device.is_cuda()));
  std::transform(values.begin(), values.end(), host.mutable_data_ptr<int32_t>(),
                 [](int64_t value) { return static_cast<int32_t>(value); });
  return device.is_cpu() ? host : host.to(device, /*non_blocking=*/true);
}

}  // namespace slmtune::kernels
