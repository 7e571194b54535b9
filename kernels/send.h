// Small tables from the host to a device without waiting: pageable memory would hold the host up
// until all that is queued is done.
#pragma once
#include <ATen/core/Tensor.h>

namespace slmtune::kernels {

// `table` on `device`; itself on the CPU. Copied through pinned memory on the current stream.
at::Tensor sent_to(const at::Tensor& table, at::Device device);

}  // namespace slmtune::kernels
