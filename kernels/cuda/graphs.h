// CUDA graphs in the module's table: what is given to a stream is recorded once and then started as
// a whole (kernels/recorded_work.h).
#pragma once

namespace slmtune::kernels {

struct CudaGraphs {
  // Records from here on what goes to LibTorch's current stream of `device`, which is not the
  // default one; nothing runs. Memory comes from the pool of `share`, a graph or null. *graph: to
  // be released also when this fails. 0 or cudaError_t.
  int (*begin)(int device, void* share, void** graph);
  // Ends the recording and makes it ready.
  int (*end)(void* graph);
  // Starts it on LibTorch's current stream.
  int (*replay)(void* graph);
  // Gives it back, finished or not; its pool when no graph is left that shares it.
  void (*release)(void* graph);
};

// The module's own (graphs.cpp); the program goes through CudaModule::graphs.
const CudaGraphs& cuda_graphs();

}  // namespace slmtune::kernels
