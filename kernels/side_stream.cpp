#include "kernels/side_stream.h"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace slmtune::kernels {

c10::Stream current_stream(at::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

SideStream::SideStream(at::Device device) {
  if (!device.is_cpu())
    stream_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device, false);
}

void SideStream::follow() const {
  c10::Event so_far(stream_->device_type());
  so_far.record(current_stream(stream_->device()));
  so_far.block(*stream_);
}

SideStream::Arrival SideStream::mark() const {
  Arrival arrival(std::in_place, stream_->device_type());
  arrival->record(*stream_);
  return arrival;
}

void SideStream::wait(const Arrival& arrival) const {
  if (arrival) arrival->block(current_stream(stream_->device()));
}

void SideStream::reads(const at::Tensor& tensor) const {
  if (stream_) tensor.record_stream(*stream_);
}

}  // namespace slmtune::kernels
