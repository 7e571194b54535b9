// at::cuda::CUDAGraph, which also keeps LibTorch's allocator and random numbers right.
#include "kernels/cuda/graphs.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>

#include <memory>

namespace slmtune::kernels {
namespace {

struct Recording {
  at::cuda::CUDAGraph graph;
  int device = 0;
  bool is_open = false;
};

// No exception leaves the module.
template <typename Work>
int guarded(const Work& work) {
  try {
    work();
    return cudaSuccess;
  } catch (...) {
    const cudaError_t last = cudaGetLastError();
    return last == cudaSuccess ? cudaErrorUnknown : last;
  }
}

int begin(int device, void* share, void** graph) {
  *graph = nullptr;
  return guarded([&] {
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(device));
    auto recording = std::make_unique<Recording>();
    recording->device = device;
    const at::cuda::MempoolId_t pool =
        share ? static_cast<Recording*>(share)->graph.pool() : at::cuda::MempoolId_t{0, 0};
    // Other threads, as the one of the backward pass, go on calling what they like.
    recording->graph.capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    recording->is_open = true;
    *graph = recording.release();
  });
}

int end(void* graph) {
  auto* recording = static_cast<Recording*>(graph);
  return guarded([&] {
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(recording->device));
    recording->is_open = false;
    recording->graph.capture_end();
  });
}

int replay(void* graph) {
  auto* recording = static_cast<Recording*>(graph);
  return guarded([&] {
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(recording->device));
    recording->graph.replay();
  });
}

void release(void* graph) {
  const std::unique_ptr<Recording> recording(static_cast<Recording*>(graph));
  if (recording && recording->is_open) end(graph);  // what was recorded half is thrown away
}

}  // namespace

const CudaGraphs& cuda_graphs() {
  static constexpr CudaGraphs table = {begin, end, replay, release};
  return table;
}

}  // namespace slmtune::kernels
