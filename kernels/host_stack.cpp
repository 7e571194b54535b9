#include "kernels/host_stack.h"

#include <ATen/ATen.h>

#include <exception>
#include <utility>

#include "core/error.h"

namespace slmtune::kernels {

HostStack::~HostStack() {
  try {
    for (const Entry& entry : waiting_) side_.wait(entry.arrival);
  } catch (const std::exception&) {
    // A device that is broken says so at its next kernel.
  }
}

void HostStack::push(const at::Tensor& x) {
  const at::Tensor source = x.detach().contiguous();
  const auto options = source.options().device(at::kCPU).pinned_memory(!device_.is_cpu());
  Entry entry;
  entry.host = at::empty(source.sizes(), options);
  // Later copies run on the same stream, behind this one.
  side_.run([&] { entry.host.copy_(source, /*non_blocking=*/true); });
  side_.reads(source);
  waiting_.push_back(std::move(entry));
}

void HostStack::fetch(Entry& entry) {
  entry.device =
      at::empty(entry.host.sizes(), entry.host.options().pinned_memory(false).device(device_));
  entry.arrival = side_.run([&] { entry.device.copy_(entry.host, /*non_blocking=*/true); });
}

at::Tensor HostStack::pop() {
  SLMTUNE_ASSERT(!waiting_.empty(), "more tensors are popped than were pushed");
  Entry entry = std::move(waiting_.back());
  waiting_.pop_back();
  if (!entry.device.defined()) fetch(entry);
  if (!waiting_.empty()) fetch(waiting_.back());
  side_.wait(entry.arrival);
  return entry.device;
}

}  // namespace slmtune::kernels
