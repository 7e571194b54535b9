// Opening libslmtune_cuda.so. Opening also loads LibTorch's CUDA half and registers its operators,
// so at:: functions work on CUDA tensors afterwards. Nothing here needs the CUDA toolkit.
#pragma once
#include <filesystem>
#include <string>

#include "kernels/cuda/module.h"

namespace slmtune::kernels {

// libslmtune_cuda.so beside the running program.
std::filesystem::path default_cuda_module();

// Opens the module, once per process; later calls return the first one. UnavailableError G001 when
// there is none (a program built without CUDA), when it cannot be loaded, or when it belongs to
// another build.
const CudaModule& open_cuda_module(const std::filesystem::path& file = default_cuda_module());

// The module that a CUDA tensor at hand proves to be open.
const CudaModule& opened_cuda_module();

// GPUs of an open module, at least one. UnavailableError G002 no NVIDIA driver, G003 no device.
int cuda_device_count(const CudaModule& module);

// LibTorch's current stream on GPU `device`, which becomes the calling thread's GPU: the stream
// that every kernel of this project runs on.
CudaStream cuda_stream(int device);

// What a cudaError_t means for the user; `call` names what failed, `reason` is CUDA's text.
// UnavailableError: G013 the GPU's memory is full, G008 no code for this GPU, BusyError G014
// another program has the GPU for itself, else UnavailableError G004.
[[noreturn]] void throw_cuda_error(int error, const std::string& call, const std::string& reason);

// The same unless `error` is 0.
void check_cuda(int error, const std::string& call);

}  // namespace slmtune::kernels
