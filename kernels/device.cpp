#include "kernels/device.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/cpu/Utils.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "kernels/cpu_count.h"
#include "kernels/cuda/cuda_module.h"

namespace slmtune::kernels {
namespace {

void check_word(const std::string& flag, const std::string& word,
                const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), word) == known.end())
    throw UserError("U011", flag, "unknown value '" + shown(word) + "'",
                    "use " + quoted_list(known));
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
  const bool gains = hidden_size >= kLeastWidthForBfloat16 && at::cpu::init_amx();
  return gains ? at::kBFloat16 : at::kFloat;
}

DeviceChoice choose_cpu(const std::string& dtype, int64_t hidden_size, const std::string& remark) {
  DeviceChoice choice;
  const std::optional<at::ScalarType> asked = asked_dtype(dtype);
  choice.dtype = asked ? *asked : best_cpu_dtype(hidden_size);
  const int threads = at::get_num_threads();
  choice.line = "CPU, " + std::to_string(threads) + (threads == 1 ? " thread, " : " threads, ") +
                dtype_word(choice.dtype) + remark;
  return choice;
}

DeviceChoice choose_cuda(const std::string& dtype) {
  const CudaModule& module = open_cuda_module();
  cuda_device_count(module);
  std::array<char, 256> name{};
  uint64_t memory = 0;
  int capability = 0;
  check_cuda(module.describe(0, name.data(), name.size(), &memory, &capability),
             "asking for the GPU's properties");
  DeviceChoice choice;
  choice.device = at::Device(at::kCUDA, 0);
  choice.dtype = asked_dtype(dtype).value_or(capability >= 80 ? at::kBFloat16 : at::kFloat);
  choice.line =
      std::string(name.data()) + ", " + human_bytes(memory) + ", " + dtype_word(choice.dtype);
  return choice;
}

// Grows the heap once and asks for huge pages over the new range; untouched pages cost nothing.
// Allocations come from it because nothing is mapped apart any more.
void hint_huge_pages() {
  const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_bytes <= 0) return;
  constexpr size_t kHugePage = size_t{2} << 20, kMost = size_t{16} << 30;
  const size_t bytes =
      std::min(static_cast<size_t>(pages) * static_cast<size_t>(page_bytes) / 2, kMost);
  void* range = std::malloc(bytes);
  if (!range) return;
  const auto begin = (reinterpret_cast<uintptr_t>(range) + kHugePage - 1) / kHugePage * kHugePage;
  const auto end = (reinterpret_cast<uintptr_t>(range) + bytes) / kHugePage * kHugePage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
  std::free(range);
}

int wanted_threads() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  const int asked = text ? std::atoi(text) : 0;
  return asked > 0 ? std::min(asked, 1024) : usable_cores();
}

}  // namespace

DeviceChoice choose_device(const std::string& device, const std::string& dtype,
                           int64_t hidden_size) {
  check_word("--device", device, {"auto", "cpu", "cuda"});
  check_word("--dtype", dtype, {"auto", "float32", "bfloat16"});
  if (device == "cpu") return choose_cpu(dtype, hidden_size, "");
  if (device == "cuda") return choose_cuda(dtype);
  try {
    return choose_cuda(dtype);
  } catch (const UnavailableError& error) {
    const std::string reason = error.code() == "G001"   ? "built without CUDA"
                               : error.code() == "G002" ? "no NVIDIA driver"
                                                        : "no usable GPU";
    return choose_cpu(dtype, hidden_size, " (" + reason + ")");
  }
}

void prepare_process() {
#if !defined(__SANITIZE_ADDRESS__)
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);  // never
  mallopt(M_TOP_PAD, 64 << 20);
  hint_huge_pages();
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
