#include "kernels/cuda/cuda_module.h"

#include <dlfcn.h>

#include <array>
#include <mutex>
#include <string>
#include <system_error>

#include "core/error.h"

namespace slmtune::kernels {
namespace {

// Values of cudaError_t (driver_types.h), which no release changes.
constexpr int kMemoryAllocation = 2, kDevicesUnavailable = 46, kNoKernelImage = 209,
              kUncorrectableEcc = 214, kUncorrectableNvlink = 220, kUnsupportedPtx = 222;

std::mutex opening;
const CudaModule* opened = nullptr;

const CudaModule* load(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored))
    throw UnavailableError(
        "G001", "", "this slmtune was built without CUDA: '" + file.string() + "' is missing",
        "build the 'cuda' preset (cmake --workflow --preset cuda), or use --device cpu");
  // RTLD_GLOBAL: LibTorch's operators register with the dispatcher that the program has loaded.
  void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!handle) {
    const char* reason = dlerror();
    throw UnavailableError(
        "G001", file.string(),
        std::string("the CUDA module cannot be loaded: ") + (reason ? reason : ""),
        "run scripts/setup.sh and build the 'cuda' preset again, or use --device cpu");
  }
  using Entry = const CudaModule* (*)();
  auto entry = reinterpret_cast<Entry>(dlsym(handle, "slmtune_cuda_module"));
  const CudaModule* module = entry ? entry() : nullptr;
  if (!module || module->abi != kCudaModuleAbi || module->bytes != sizeof(CudaModule))
    throw UnavailableError("G001", file.string(),
                           "the CUDA module belongs to another build of slmtune",
                           "build the 'cuda' preset again, so that program and module match");
  return module;
}

}  // namespace

std::filesystem::path default_cuda_module() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  return program.parent_path() / "libslmtune_cuda.so";
}

const CudaModule& open_cuda_module(const std::filesystem::path& file) {
  std::lock_guard lock(opening);
  if (!opened) opened = load(file);
  return *opened;
}

const CudaModule& opened_cuda_module() {
  SLMTUNE_ASSERT(opened != nullptr, "a CUDA tensor exists only after the CUDA module was opened");
  return *opened;
}

int cuda_device_count(const CudaModule& module) {
  std::array<char, 256> reason{};
  const int count = module.host.device_count(reason.data(), reason.size());
  if (count < 0)
    throw UnavailableError("G002", "", std::string("no usable NVIDIA driver: ") + reason.data(),
                           "install the NVIDIA driver (nvidia-smi must work), or use --device cpu");
  if (count == 0)
    throw UnavailableError("G003", "", "the NVIDIA driver shows no GPU",
                           "check nvidia-smi and CUDA_VISIBLE_DEVICES, or use --device cpu");
  return count;
}

CudaStream cuda_stream(int device) {
  CudaStream stream = nullptr;
  check_cuda(opened_cuda_module().host.current_stream(device, &stream), "asking for the stream");
  return stream;
}

void throw_cuda_error(int error, const std::string& call, const std::string& reason) {
  const std::string what = call + " failed on the GPU: " + reason;
  switch (error) {
    case kMemoryAllocation:
      throw UnavailableError("G013", "", what,
                             "lower train.micro_batch_tokens or data.max_tokens, or close other "
                             "programs that use the GPU");
    case kDevicesUnavailable:
      throw BusyError("G014", "", what,
                      "another program has this GPU for itself; wait for it, or choose another one "
                      "with --device cuda:N");
    case kNoKernelImage:
    case kUnsupportedPtx:
      throw UnavailableError("G008", "", what,
                             "build the 'cuda' preset with this GPU's architecture in "
                             "CMAKE_CUDA_ARCHITECTURES, or use --device cpu");
    case kUncorrectableEcc:
    case kUncorrectableNvlink:
      throw UnavailableError("G004", "", what,
                             "the GPU itself reports a fault; see 'nvidia-smi -q' and the system's "
                             "log (dmesg), and restart the machine");
    default:
      throw UnavailableError("G004", "", what,
                             "run again with CUDA_LAUNCH_BLOCKING=1 for the exact place, or use "
                             "--device cpu");
  }
}

void check_cuda(int error, const std::string& call) {
  if (error != 0) throw_cuda_error(error, call, opened_cuda_module().host.error_text(error));
}

}  // namespace slmtune::kernels
