// Copies from host memory to a device through two pinned buffers: while one is on its way over the
// bus, the next piece is converted into the other. On the CPU it is a plain copy.
//
//   Staging staging(device);
//   staging.copy(piece, target.narrow(0, first, count));  ...  staging.finish();
#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <array>
#include <optional>

namespace slmtune::kernels {

class Staging {
 public:
  explicit Staging(at::Device device) : device_(device) {}
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // target = piece, in target's dtype. Both contiguous, 1-D, of one length. `piece` lies in host
  // memory and may be let go of when this returns; the target's stream is the current one.
  void copy(const at::Tensor& piece, const at::Tensor& target);

  // Waits until everything has arrived.
  void finish();

 private:
  struct Buffer {
    at::Tensor bytes;  // pinned
    std::optional<c10::Event> sent;
  };

  // The buffer that is free again, of at least `bytes`.
  Buffer& next(int64_t bytes);

  at::Device device_;
  std::array<Buffer, 2> buffers_;
  size_t turn_ = 0;
};

}  // namespace slmtune::kernels
