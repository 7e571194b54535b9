#include "kernels/device.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/cpu/Utils.h>
#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "kernels/cpu_count.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/device_word.h"
#include "kernels/huge_pages.h"

namespace slmtune::kernels {
namespace {

[[noreturn]] void refuse_word(const std::string& flag, const std::string& word,
                              const std::vector<std::string>& known) {
  throw UserError("U011", flag, "unknown value '" + shown(word) + "'", "use " + quoted_list(known));
}

std::optional<at::ScalarType> asked_dtype(const std::string& dtype) {
  if (dtype == "float32") return at::kFloat;
  if (dtype == "bfloat16") return at::kBFloat16;
  return std::nullopt;
}

std::string dtype_word(at::ScalarType dtype) {
  return dtype == at::kBFloat16 ? "bfloat16" : "float32";
}

// Below this hidden size steps are not bound by their matrix products, and float32 costs nothing.
constexpr int64_t kLeastWidthForBfloat16 = 512;

// Products of 512 rows, two threads. With AMX: float32 240-270 GFLOP/s, bfloat16 1,240-1,620. A
// Xeon with AVX512-BF16 but without AMX: float32 150, bfloat16 75-170 by shape, and twice the time
// for a training step.
at::ScalarType best_cpu_dtype(int64_t hidden_size) {
  const bool gains = hidden_size >= kLeastWidthForBfloat16 && cpu_gains_from_bfloat16();
  return gains ? at::kBFloat16 : at::kFloat;
}

DeviceChoice choose_cpu(const std::string& dtype, int64_t hidden_size, const std::string& remark) {
  DeviceChoice choice;
  const std::optional<at::ScalarType> asked = asked_dtype(dtype);
  choice.dtype = asked ? *asked : best_cpu_dtype(hidden_size);
  choice.processor = at::get_cpu_capability();
  const int threads = at::get_num_threads();
  choice.line = "CPU, " + std::to_string(threads) + (threads == 1 ? " thread, " : " threads, ") +
                dtype_word(choice.dtype) + remark;
  return choice;
}

DeviceChoice choose_cuda(const std::string& dtype, std::optional<int> number) {
  const CudaDevice device = open_cuda_device(number);
  DeviceChoice choice;
  choice.device = at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(device.number));
  choice.dtype = asked_dtype(dtype).value_or(at::kBFloat16);
  choice.processor = device.name;
  choice.line = device.name + (device.count > 1 ? " (" + choice.device.str() + ")" : "") + ", " +
                human_bytes(device.memory_bytes) + ", " + dtype_word(choice.dtype);
  return choice;
}

// Why `auto` takes the CPU; rethrows what the user asked for and cannot have.
std::string reason_for_cpu(const UnavailableError& error) {
  if (error.code() == "G001") return "built without CUDA";
  if (error.code() == "G002") return "no NVIDIA driver";
  if (error.code() == "G006") throw;
  if (error.code() == "G007") return "the GPU is too old";
  return "no usable GPU";
}

int wanted_threads() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  const int asked = text ? std::atoi(text) : 0;
  return asked > 0 ? std::min(asked, 1024) : usable_cores();
}

}  // namespace

DeviceChoice choose_device(const std::string& device, const std::string& dtype,
                           int64_t hidden_size) {
  const std::optional<DeviceWord> word = parse_device_word(device);
  if (!word) refuse_word("--device", device, {"auto", "cpu", "cuda", "cuda:N"});
  if (dtype != "auto" && !asked_dtype(dtype))
    refuse_word("--dtype", dtype, {"auto", "float32", "bfloat16"});
  if (word->kind == "cpu") return choose_cpu(dtype, hidden_size, "");
  if (word->kind == "cuda") return choose_cuda(dtype, word->number);
  try {
    return choose_cuda(dtype, std::nullopt);
  } catch (const UnavailableError& error) {
    return choose_cpu(dtype, hidden_size, " (" + reason_for_cpu(error) + ")");
  } catch (const BusyError&) {
    return choose_cpu(dtype, hidden_size, " (the GPU is in use)");
  }
}

// Intel's processors with AVX512-BF16 but no AMX multiply bfloat16 at half the rate of float32,
// AMD's at twice that.
bool cpu_gains_from_bfloat16() {
#if defined(__x86_64__)
  if (__builtin_cpu_is("amd") && __builtin_cpu_supports("avx512bf16")) return true;
#endif
  return at::cpu::init_amx();
}

void prepare_process() {
#if !defined(__SANITIZE_ADDRESS__)
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);  // never
  mallopt(M_TOP_PAD, 64 << 20);
  if (!are_huge_pages_for_later()) use_huge_pages();
#endif
  at::set_num_threads(wanted_threads());
}

void seed_everything(uint64_t seed) {
  at::Context& context = at::globalContext();
  context.setDeterministicAlgorithms(true, /*warn_only=*/true);
  context.setDeterministicFillUninitializedMemory(false);
  context.setDeterministicCuDNN(true);
  context.setBenchmarkCuDNN(false);
  at::manual_seed(seed);
}

}  // namespace slmtune::kernels
