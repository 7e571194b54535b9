// What is decided about GPUs without one: a table of the CUDA module with made-up cards.
#include "kernels/cuda/cuda_device.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "kernels/cuda/cuda_module.h"
#include "kernels/device_memory.h"
#include "kernels/staging.h"

namespace slmtune::kernels {
namespace {

constexpr uint64_t kGib = uint64_t{1} << 30;

int count_three(char*, size_t) {
  return 3;
}
int count_none(char*, size_t) {
  return 0;
}
int count_without_driver(char* reason, size_t bytes) {
  std::snprintf(reason, bytes, "none is installed");
  return -1;
}

// 0: Ada with 24 GiB, 1: Turing, 2: cannot be asked.
int describe(int device, CudaDeviceFacts* facts) {
  if (device == 2) return 46;  // cudaErrorDevicesUnavailable
  std::snprintf(facts->name, sizeof facts->name, "Card %d", device);
  std::snprintf(facts->pci_address, sizeof facts->pci_address, "0000:65:00.%d", device);
  facts->memory_bytes = 24 * kGib;
  facts->capability = device == 0 ? 89 : 75;
  return 0;
}

const char* error_text(int error) {
  return error == 46 ? "CUDA-capable device(s) is/are busy or unavailable" : "another error";
}

CudaModule made_up(int (*count)(char*, size_t)) {
  CudaModule module{};
  module.host = {count, describe, error_text, nullptr, nullptr};
  return module;
}

template <typename Work>
std::string code_of(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

TEST(FindCudaDevice, TellsTheCard) {
  const CudaDevice device = find_cuda_device(made_up(count_three), std::nullopt);
  EXPECT_EQ(device.number, 0);
  EXPECT_EQ(device.count, 3);
  EXPECT_EQ(device.name, "Card 0");
  EXPECT_EQ(device.pci_address, "0000:65:00.0");
  EXPECT_EQ(device.memory_bytes, 24 * kGib);
  EXPECT_EQ(device.capability, 89);
}

TEST(FindCudaDevice, RefusesACardBeforeAmpere) {
  try {
    find_cuda_device(made_up(count_three), 1);
    FAIL() << "no error";
  } catch (const UnavailableError& error) {
    EXPECT_EQ(error.code(), "G007");
    EXPECT_NE(std::string(error.what()).find("compute capability 7.5"), std::string::npos);
  }
}

TEST(FindCudaDevice, SaysWhatIsMissing) {
  EXPECT_EQ(code_of([] { find_cuda_device(made_up(count_without_driver), {}); }), "G002");
  EXPECT_EQ(code_of([] { find_cuda_device(made_up(count_none), {}); }), "G003");
  EXPECT_EQ(code_of([] { find_cuda_device(made_up(count_three), 3); }), "G006");
  EXPECT_EQ(code_of([] { find_cuda_device(made_up(count_three), 2); }), "G014");
}

struct ErrorCase {
  int error;
  const char* code;
  ExitCode exit;
  const char* advice;
};

TEST(CudaErrors, HaveTheAdviceThatFits) {
  const ErrorCase cases[] = {
      {2, "G013", ExitCode::kUnavailable, "micro_batch_tokens"},
      {46, "G014", ExitCode::kTryLater, "wait for it"},
      {209, "G008", ExitCode::kUnavailable, "CMAKE_CUDA_ARCHITECTURES"},
      {222, "G008", ExitCode::kUnavailable, "CMAKE_CUDA_ARCHITECTURES"},
      {214, "G004", ExitCode::kUnavailable, "dmesg"},
      {220, "G004", ExitCode::kUnavailable, "dmesg"},
      {700, "G004", ExitCode::kUnavailable, "CUDA_LAUNCH_BLOCKING"},
  };
  for (const ErrorCase& one : cases) {
    try {
      throw_cuda_error(one.error, "rms_norm", "the reason");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), one.code) << one.error;
      EXPECT_EQ(error.exit_code(), one.exit) << one.error;
      const std::string text = error.what();
      EXPECT_NE(text.find("rms_norm failed on the GPU: the reason"), std::string::npos) << text;
      EXPECT_NE(text.find(one.advice), std::string::npos) << text;
    }
  }
}

// The environment of this process, as it was before.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* text = std::getenv(name)) before_ = text;
    if (value != nullptr)
      setenv(name, value, 1);
    else
      unsetenv(name);
  }
  ~Variable() {
    if (before_)
      setenv(name_, before_->c_str(), 1);
    else
      unsetenv(name_);
  }

 private:
  const char* name_;
  std::optional<std::string> before_;
};

TEST(GpuMemoryCap, IsReadInGib) {
  const Variable cap("SLMTUNE_GPU_MEMORY_GIB", "12");
  EXPECT_EQ(gpu_memory_cap(), 12 * kGib);
}

TEST(GpuMemoryCap, IsAbsentWithoutTheVariable) {
  const Variable cap("SLMTUNE_GPU_MEMORY_GIB", nullptr);
  EXPECT_EQ(gpu_memory_cap(), std::nullopt);
}

TEST(GpuMemoryCap, RefusesWhatIsNoSize) {
  for (const char* text : {"much", "0", "-4", "12GB", "nan", "1e99"}) {
    const Variable cap("SLMTUNE_GPU_MEMORY_GIB", text);
    EXPECT_EQ(code_of([] { gpu_memory_cap(); }), "U012") << text;
  }
}

TEST(AllocatorShare, LeavesRoomForCudaItself) {
  EXPECT_DOUBLE_EQ(allocator_share(12 * kGib, 46 * kGib), 11.5 / 46.0);
  EXPECT_LE(allocator_share(kCudaContextBytes, 24 * kGib), 1e-6);
  EXPECT_DOUBLE_EQ(allocator_share(99 * kGib, 24 * kGib), 1.0);
}

TEST(CudaEnvironment, IsSetOnceAndLeftToTheUser) {
  const Variable new_name("PYTORCH_ALLOC_CONF", nullptr),
      old_name("PYTORCH_CUDA_ALLOC_CONF", nullptr);
  const Variable workspace("CUBLAS_WORKSPACE_CONFIG", ":16:8");
  set_cuda_environment();
  EXPECT_STREQ(std::getenv("PYTORCH_ALLOC_CONF"), "expandable_segments:True");
  EXPECT_STREQ(std::getenv("CUBLAS_WORKSPACE_CONFIG"), ":16:8");
}

TEST(CudaEnvironment, TheUsersAllocatorSettingsStay) {
  const Variable new_name("PYTORCH_ALLOC_CONF", nullptr),
      old_name("PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:128");
  set_cuda_environment();
  EXPECT_EQ(std::getenv("PYTORCH_ALLOC_CONF"), nullptr);
}

TEST(DeviceMemory, IsNotToldForTheCpu) {
  EXPECT_FALSE(device_memory(at::kCPU));
  EXPECT_FALSE(allocator_peaks(at::kCPU));
  EXPECT_EQ(memory_numbers(at::kCPU), "");
  EXPECT_NO_THROW(restart_device_peaks(at::kCPU));
  EXPECT_NO_THROW(release_device_cache(at::kCPU));
}

TEST(DeviceMemory, AFullOneIsAnErrorWithWhatWasWanted) {
  const UnavailableError error = device_memory_full("step 3", at::kCPU, "buy another");
  EXPECT_EQ(error.code(), "G013");
  EXPECT_NE(std::string(error.what()).find("the GPU's memory is full: step 3"), std::string::npos);
}

TEST(Staging, OnTheCpuIsACopyInTheTargetsType) {
  Staging staging(at::kCPU);
  const at::Tensor values = at::arange(0, 1000, at::kFloat) / 7.0;
  at::Tensor target = at::zeros({1000}, at::kBFloat16);
  staging.copy(values.narrow(0, 0, 600), target.narrow(0, 0, 600));
  staging.copy(values.narrow(0, 600, 400), target.narrow(0, 600, 400));
  staging.finish();
  EXPECT_TRUE(at::equal(target, values.to(at::kBFloat16)));
}

// Through pinned buffers, more pieces than there are buffers.
TEST(Staging, OnAGpuEveryPieceArrives) {
  if (!opened_cuda_device()) GTEST_SKIP() << "no GPU was opened";
  const at::Device gpu(at::kCUDA, static_cast<c10::DeviceIndex>(opened_cuda_device()->number));
  Staging staging(gpu);
  const at::Tensor values = at::randn({10'000'001});
  at::Tensor target = at::empty({values.size(0)}, at::device(gpu).dtype(at::kBFloat16));
  for (int64_t first = 0; first < values.size(0); first += 777'777) {
    const int64_t count = std::min<int64_t>(777'777, values.size(0) - first);
    staging.copy(values.narrow(0, first, count), target.narrow(0, first, count));
  }
  staging.finish();
  EXPECT_TRUE(at::equal(target.cpu(), values.to(at::kBFloat16)));
}

}  // namespace
}  // namespace slmtune::kernels
