#include "kernels/staging.h"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <exception>

#include "core/error.h"

namespace slmtune::kernels {
namespace {

constexpr int64_t kLeastBytes = 4 << 20;

c10::Stream current_stream_of(at::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

}  // namespace

Staging::~Staging() {
  try {
    finish();  // pinned memory that is given back while it is read would be somebody else's
  } catch (const std::exception&) {
    // The error of the device is reported by the next call that needs it.
  }
}

Staging::Buffer& Staging::next(int64_t bytes) {
  Buffer& buffer = buffers_[turn_++ % buffers_.size()];
  if (buffer.sent)
    buffer.sent->synchronize();
  else
    buffer.sent.emplace(device_.type());
  if (!buffer.bytes.defined() || buffer.bytes.numel() < bytes)
    buffer.bytes = at::empty({std::max(bytes, kLeastBytes)},
                             at::TensorOptions().dtype(at::kByte).pinned_memory(true));
  return buffer;
}

void Staging::copy(const at::Tensor& piece, const at::Tensor& target) {
  SLMTUNE_ASSERT(piece.is_cpu() && piece.is_contiguous() && target.is_contiguous() &&
                     piece.sizes() == target.sizes() && target.device() == device_,
                 "staged copies are of contiguous tensors of one shape");
  if (device_.is_cpu() || piece.numel() == 0) {
    target.copy_(piece);
    return;
  }
  const auto bytes = static_cast<int64_t>(target.nbytes());
  Buffer& buffer = next(bytes);
  const at::Tensor staged = buffer.bytes.narrow(0, 0, bytes).view(target.scalar_type());
  staged.copy_(piece);
  target.copy_(staged, /*non_blocking=*/true);
  buffer.sent->record(current_stream_of(device_));
}

void Staging::finish() {
  for (Buffer& buffer : buffers_)
    if (buffer.sent && buffer.sent->was_marked_for_recording()) buffer.sent->synchronize();
}

}  // namespace slmtune::kernels
