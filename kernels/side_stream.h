// A second stream of a device, for what runs beside the arithmetic: weights that are written out
// ahead of their product, copies to and from host memory. On the CPU everything happens at once,
// where it is called.
//
//   SideStream side(device);
//   at::Tensor target = at::empty(…);                            // of the current stream's memory
//   SideStream::Arrival done = side.run([&] { target.copy_(…); });
//   …                                                            // other work of the current
//   stream side.wait(done);                                             // before `target` is used
//
// Memory that the side stream writes is allocated outside run(), on the current stream, and waited
// for there: so the allocator, which counts by streams, needs to know of one stream only.
#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>

#include <optional>

namespace slmtune::kernels {

// LibTorch's current stream of a device that is not the CPU.
c10::Stream current_stream(at::Device device);

class SideStream {
 public:
  // What the current stream waits for; empty on the CPU.
  using Arrival = std::optional<c10::Event>;

  explicit SideStream(at::Device device);

  // Runs work() behind everything that the current stream was given so far.
  template <typename Work>
  Arrival run(const Work& work) {
    if (!stream_) {
      work();
      return std::nullopt;
    }
    follow();
    const c10::StreamGuard guard(*stream_);
    work();
    return mark();
  }

  // The current stream goes on only when that work is done; the host does not wait.
  void wait(const Arrival& arrival) const;

  // The side stream reads `tensor`, whose memory is not given to others before it has.
  void reads(const at::Tensor& tensor) const;

 private:
  void follow() const;
  Arrival mark() const;

  std::optional<c10::Stream> stream_;  // none on the CPU
};

}  // namespace slmtune::kernels
