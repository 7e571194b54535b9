// Work of a device that is recorded once and then started as a whole, with one call instead of
// thousands: a CUDA graph. What the host does within it happens while recording only; addresses and
// sizes stay what they were then.
//
//   std::unique_ptr<RecordedWork> work = record_work(device, nullptr, [&] { out.copy_(f(in)); });
//   in.copy_(next);  work->replay();  use(out);
//
// On the CPU the work is kept and called again: the same to whoever uses it.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

namespace slmtune::kernels {

class RecordedWork {
 public:
  virtual ~RecordedWork() = default;
  // On the current stream; nothing is waited for.
  virtual void replay() = 0;
};

// Records work() without running it on the device. It must have run once before, so that nothing is
// loaded or set up within; it may wait for nothing, copy nothing from the host and draw no random
// numbers. `share`: an earlier recording, never replayed at the same time, whose memory is used
// again. UnavailableError G004 when the device cannot record it; errors of work() pass through.
std::unique_ptr<RecordedWork> record_work(at::Device device, const RecordedWork* share,
                                          const std::function<void()>& work);

}  // namespace slmtune::kernels
