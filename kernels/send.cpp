#include "kernels/send.h"

#include <ATen/ATen.h>

namespace slmtune::kernels {

at::Tensor sent_to(const at::Tensor& table, at::Device device) {
  if (device.is_cpu()) return table;
  return table.pin_memory().to(device, /*non_blocking=*/true);
}

}  // namespace slmtune::kernels
