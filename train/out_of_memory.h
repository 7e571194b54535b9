// Going on after a GPU's memory was full (halving.h).
#pragma once
#include <string>

namespace slmtune::train {

struct Run;  // train/internal/run.h

// To be called in a catch block: what LibTorch's allocator (c10::OutOfMemoryError), the driver,
// cuBLAS or our own kernels (G013) said when the GPU had no room left. Anything else is thrown on.
std::string out_of_memory_text();

// Forgets the step that was under way and halves the run's micro-batches; both are told. G013 with
// the numbers after kMaxHalvings, or when the micro-batch that did not fit cannot be made smaller.
void halve_micro_batches(Run& run, const std::string& reason);

// What `work` gives; it is tried again with smaller micro-batches while the GPU's memory is full.
template <typename SomeRun, typename Work>
auto with_room(SomeRun& run, const Work& work) {
  while (true) {
    std::string reason;
    try {
      run.tried = {};
      return work();
    } catch (...) {
      reason = out_of_memory_text();
    }
    halve_micro_batches(run, reason);  // what the failed try held is free only here
  }
}

}  // namespace slmtune::train
