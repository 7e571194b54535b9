// Tensors that wait in the computer's memory: what the layers keep for the backward pass, of long
// texts. Pushed on the way forward, popped on the way back. On a GPU both copies go through pinned
// memory on a stream of their own; on the way back the next one is fetched while the last one is
// used, so that two of them are on the device at a time. On the CPU they are plain copies.
//
//   HostStack stack(device);
//   stack.push(x);  …  at::Tensor x = stack.pop();
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/side_stream.h"

namespace slmtune::kernels {

class HostStack {
 public:
  explicit HostStack(at::Device device) : device_(device), side_(device) {}
  // Of a pass that failed: what is on its way back still arrives before its memory is used again.
  ~HostStack();
  HostStack(const HostStack&) = delete;
  HostStack& operator=(const HostStack&) = delete;

  // The bytes of `x` as they are when the current stream comes here; the caller may let go of it.
  void push(const at::Tensor& x);

  // The last one that was pushed and not popped, on the device.
  at::Tensor pop();

  size_t size() const { return waiting_.size(); }

 private:
  struct Entry {
    at::Tensor host, device;      // `device` once it is on its way back
    SideStream::Arrival arrival;  // of that copy
  };

  void fetch(Entry& entry);

  at::Device device_;
  SideStream side_;
  std::vector<Entry> waiting_;
};

}  // namespace slmtune::kernels
