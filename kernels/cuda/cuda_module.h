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

// UnavailableError G004 when `error` is not 0; `call` names what failed.
void check_cuda(int error, const std::string& call);

}  // namespace slmtune::kernels
