// Asynchronous copies under way (kernels/cuda/async_copy.cuh), per thread of the running block.
#pragma once

namespace slmtune::emulator {

// A new block starts without any.
void forget_async_copies();

}  // namespace slmtune::emulator
