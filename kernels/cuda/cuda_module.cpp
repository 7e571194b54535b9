#include "kernels/cuda/cuda_module.h"

#include <dlfcn.h>

#include <array>
#include <mutex>
#include <string>
#include <system_error>

#include "core/error.h"

namespace slmtune::kernels {
namespace {

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
  if (!module || module->abi != kCudaModuleAbi)
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
  const int count = module.device_count(reason.data(), reason.size());
  if (count < 0)
    throw UnavailableError("G002", "", std::string("no usable NVIDIA driver: ") + reason.data(),
                           "install the NVIDIA driver (nvidia-smi must work), or use --device cpu");
  if (count == 0)
    throw UnavailableError("G003", "", "the NVIDIA driver shows no GPU",
                           "check nvidia-smi and CUDA_VISIBLE_DEVICES, or use --device cpu");
  return count;
}

void check_cuda(int error, const std::string& call) {
  if (error == 0) return;
  throw UnavailableError(
      "G004", "", call + " failed on the GPU: " + opened_cuda_module().error_text(error),
      "run again with CUDA_LAUNCH_BLOCKING=1 for the exact place, or use --device cpu");
}

}  // namespace slmtune::kernels
