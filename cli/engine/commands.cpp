#include "cli/engine/commands.h"

#include <c10/util/Exception.h>

#include "cli/engine.h"
#include "cli/library_fault.h"
#include "core/error.h"
#include "core/log.h"
#include "core/version.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/cuda_module.h"
#include "kernels/device_memory.h"

namespace slmtune::cli {
namespace {

[[noreturn]] void refuse_memory(std::string_view text) {
  log_verbose(text);
  throw UnavailableError("G010", "slmtune", "out of memory",
                         "lower train.micro_batch_tokens or data.max_tokens, or use a smaller "
                         "model");
}

// LibTorch's CPU allocator reports exhaustion as a plain c10::Error (c10/core/impl/alloc_cpu.cpp).
bool is_out_of_memory(std::string_view text) {
  return text.find("DefaultCPUAllocator: can't allocate memory") != std::string_view::npos ||
         text.find("DefaultCPUAllocator: not enough memory") != std::string_view::npos;
}

UnavailableError gpu_memory_full() {
  const auto& gpu = kernels::opened_cuda_device();
  const at::Device device =
      gpu ? at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(gpu->number)) : at::kCPU;
  return kernels::device_memory_full("there is no room for what is to be computed", device,
                                     "lower data.max_tokens, use a smaller model or --dtype "
                                     "bfloat16, or close other programs that use the GPU");
}

// LibTorch's exceptions end here: the program does not know their types.
template <auto run, typename... Arguments>
ExitCode translated(Arguments... arguments) {
  try {
    return run(arguments...);
  } catch (const c10::OutOfMemoryError& error) {
    log_verbose(error.what_without_backtrace());
    throw gpu_memory_full();
  } catch (const c10::AcceleratorError& error) {
    log_verbose(error.what_without_backtrace());
    kernels::check_cuda(error.get_error_code(), "the computation");
    throw library_fault("a GPU error without a code");
  } catch (const c10::Error& error) {
    const char* text = error.what_without_backtrace();
    if (is_out_of_memory(text)) refuse_memory(text);
    if (kernels::tells_full_memory(text)) {
      log_verbose(text);
      throw gpu_memory_full();
    }
    throw library_fault(text);
  }
}

constexpr Engine kEngine = {
    .train = translated<run_train>,
    .plan = translated<run_plan>,
    .eval = translated<run_eval>,
    .generate = translated<run_generate>,
    .chat = translated<run_chat>,
    .merge = translated<run_merge>,
    .export_model = translated<run_export>,
    .export_file = translated<run_export_file>,
    .inspect = translated<run_inspect>,
    .data_preview = translated<run_data_preview>,
    .data_tokenize = translated<run_data_tokenize>,
};

}  // namespace
}  // namespace slmtune::cli

// nullptr for a program of another version.
extern "C" const slmtune::cli::Engine* slmtune_engine(std::string_view program_version) {
  return program_version == slmtune::version() ? &slmtune::cli::kEngine : nullptr;
}
