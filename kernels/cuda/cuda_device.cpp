#include "kernels/cuda/cuda_device.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include "core/error.h"
#include "core/text.h"
#include "kernels/cuda/cuda_module.h"
#include "kernels/device_word.h"

namespace slmtune::kernels {
namespace {

constexpr double kGib = 1024.0 * 1024.0 * 1024.0;
constexpr int kOldestCapability = 80;  // what the module's kernels are built for
constexpr const char* kCapName = "SLMTUNE_GPU_MEMORY_GIB";

std::optional<CudaDevice> opened_device;

void check_age(const CudaDevice& device) {
  if (device.capability >= kOldestCapability) return;
  throw UnavailableError("G007", device.name,
                         "this GPU has compute capability " +
                             std::to_string(device.capability / 10) + "." +
                             std::to_string(device.capability % 10) + ", and 8.0 is needed",
                         "use an Ampere GPU (RTX 30, A100) or a newer one, or --device cpu");
}

// Makes LibTorch's allocator and the driver's context on the GPU.
void initialise(CudaDevice& device) {
  // LibTorch looks for its CUDA half once, at the first call that could need it.
  SLMTUNE_ASSERT(at::detail::getCUDAHooks().hasCUDART(),
                 "the CUDA module is opened before LibTorch is asked for anything of CUDA");
  cuda_stream(device.number);
  at::Context& context = at::globalContext();
  context.lazyInitDevice(at::kCUDA);
  // float32 is float32: TensorFloat-32 has 10 bits of mantissa.
  context.setFloat32MatmulPrecision("highest");
  context.setAllowTF32CuDNN(false);
  const std::optional<uint64_t> cap = gpu_memory_cap();
  if (!cap || *cap >= device.memory_bytes) return;
  check_cuda(opened_cuda_module().host.limit_memory(device.number,
                                                    allocator_share(*cap, device.memory_bytes)),
             "limiting the GPU's memory");
  device.memory_bytes = *cap;
}

}  // namespace

void set_cuda_environment() {
  if (std::getenv("PYTORCH_CUDA_ALLOC_CONF") == nullptr)
    setenv("PYTORCH_ALLOC_CONF", "expandable_segments:True", /*overwrite=*/0);
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
}

std::optional<uint64_t> gpu_memory_cap() {
  const char* text = std::getenv(kCapName);
  if (text == nullptr || *text == '\0') return std::nullopt;
  const std::string_view words(text);
  double gib = 0.0;
  const auto [end, error] = std::from_chars(words.data(), words.data() + words.size(), gib);
  if (error != std::errc() || end != words.data() + words.size() || !(gib >= 1.0 && gib <= 4096.0))
    throw UserError("U012", kCapName, "'" + shown(text) + "' is not a number of GiB from 1 to 4096",
                    "for example SLMTUNE_GPU_MEMORY_GIB=12, or unset it");
  return static_cast<uint64_t>(gib * kGib);
}

double allocator_share(uint64_t cap, uint64_t card) {
  const uint64_t tensors = cap > kCudaContextBytes ? cap - kCudaContextBytes : 0;
  return std::clamp(static_cast<double>(tensors) / static_cast<double>(card), 1e-6, 1.0);
}

CudaDevice find_cuda_device(const CudaModule& module, std::optional<int> asked) {
  const int count = cuda_device_count(module);
  const int number = choose_gpu(asked, count);
  CudaDeviceFacts facts{};
  if (const int error = module.host.describe(number, &facts); error != 0)
    throw_cuda_error(error, "asking for the GPU's properties", module.host.error_text(error));
  const CudaDevice device{number,          count, facts.name, facts.pci_address, facts.memory_bytes,
                          facts.capability};
  check_age(device);
  return device;
}

CudaDevice open_cuda_device(std::optional<int> asked) {
  set_cuda_environment();
  CudaDevice device = find_cuda_device(open_cuda_module(), asked);
  initialise(device);
  opened_device = device;
  return device;
}

const std::optional<CudaDevice>& opened_cuda_device() {
  return opened_device;
}

}  // namespace slmtune::kernels
