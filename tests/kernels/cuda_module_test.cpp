// Opening the CUDA module, with and without one and with and without a GPU.
#include "kernels/cuda/cuda_module.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>

#include "core/error.h"
#include "kernels/rms_norm/rms_norm.h"
#include "tests/support/temp_folder.h"

namespace slmtune::kernels {
namespace {

#ifdef SLMTUNE_CUDA_MODULE

const CudaModule& module() {
  return open_cuda_module(SLMTUNE_CUDA_MODULE);
}

// Before any test asks LibTorch for something that has a CUDA half.
class OpenedModule : public ::testing::Environment {
  void SetUp() override { module(); }
};
const auto* const opened = ::testing::AddGlobalTestEnvironment(new OpenedModule);

TEST(CudaModule, OpensWithoutADriver) {
  EXPECT_EQ(module().abi, kCudaModuleAbi);
  EXPECT_EQ(&module(), &opened_cuda_module());
}

TEST(CudaModule, RegistersLibTorchsCudaOperators) {
  module();
  const auto add = c10::Dispatcher::singleton().findSchema({"aten::add", "Tensor"});
  ASSERT_TRUE(add.has_value());
  EXPECT_TRUE(add->hasKernelForDispatchKey(c10::DispatchKey::CUDA));
}

// A stub that was asked before the module was opened would stay for good, and leave the generators
// of the GPU unseeded.
TEST(CudaModule, LibTorchsOwnHooksAreThoseOfCuda) {
  module();
  EXPECT_TRUE(at::detail::getCUDAHooks().hasCUDART());
}

TEST(CudaModule, LimitingTheMemoryOfNoGpuIsAnErrorAndNoCrash) {
  std::array<char, 128> reason{};
  if (module().host.device_count(reason.data(), reason.size()) > 0)
    GTEST_SKIP() << "this machine has a GPU";
  EXPECT_NE(module().host.limit_memory(0, 0.5), 0);
  CudaStream stream = nullptr;
  EXPECT_NE(module().host.current_stream(0, &stream), 0);
  EXPECT_EQ(stream, nullptr);
}

TEST(CudaModule, SaysWhyThereIsNoGpu) {
  std::array<char, 128> reason{};
  if (module().host.device_count(reason.data(), reason.size()) > 0)
    GTEST_SKIP() << "this machine has a GPU";
  try {
    cuda_device_count(module());
    FAIL() << "no error without a GPU";
  } catch (const UnavailableError& error) {
    EXPECT_TRUE(error.code() == "G002" || error.code() == "G003");
    EXPECT_EQ(error.exit_code(), ExitCode::kUnavailable);
    EXPECT_NE(std::string(error.what()).find("NVIDIA driver"), std::string::npos);
  }
}

TEST(CudaModule, ACallThatFailsIsNamedWithTheDriversReason) {
  module();
  EXPECT_NO_THROW(check_cuda(0, "rms_norm"));
  try {
    check_cuda(1, "rms_norm");  // cudaErrorInvalidValue
    FAIL() << "no error";
  } catch (const UnavailableError& error) {
    EXPECT_EQ(error.code(), "G004");
    EXPECT_NE(std::string(error.what()).find("rms_norm failed on the GPU: "), std::string::npos);
  }
}

TEST(CudaModule, GpuMatchesTheCpu) {
  std::array<char, 128> reason{};
  if (module().host.device_count(reason.data(), reason.size()) <= 0)
    GTEST_SKIP() << "no GPU: " << reason.data();
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    at::Tensor x = at::randn({300, 512}).to(dtype), weight = at::randn({512}).to(dtype),
               grad_y = at::randn_like(x);
    at::Tensor gpu_x = x.to(at::kCUDA).requires_grad_(true),
               gpu_weight = weight.to(at::kCUDA).requires_grad_(true);
    x.requires_grad_(true), weight.requires_grad_(true);
    const at::Tensor y = rms_norm(x, weight, 1e-6), gpu_y = rms_norm(gpu_x, gpu_weight, 1e-6);
    const auto expected = torch::autograd::grad({y}, {x, weight}, {grad_y});
    const auto actual = torch::autograd::grad({gpu_y}, {gpu_x, gpu_weight}, {grad_y.to(at::kCUDA)});
    const double tolerance = dtype == at::kFloat ? 1e-4 : 4e-2;
    EXPECT_TRUE(at::allclose(gpu_y.cpu(), y, tolerance, tolerance));
    EXPECT_TRUE(at::allclose(actual[0].cpu(), expected[0], tolerance, tolerance));
    EXPECT_TRUE(at::allclose(actual[1].cpu(), expected[1], tolerance, 10 * tolerance));
  }
}

#else

using slmtune::testing::TempFolder;

std::string code_of_opening(const std::filesystem::path& file) {
  try {
    open_cuda_module(file);
  } catch (const UnavailableError& error) {
    return error.code();
  }
  return "";
}

TEST(CudaModule, MissingModuleMeansBuiltWithoutCuda) {
  TempFolder folder;
  EXPECT_EQ(code_of_opening(folder.path() / "libslmtune_cuda.so"), "G001");
}

TEST(CudaModule, DamagedModuleIsReportedAndNotOpened) {
  TempFolder folder;
  EXPECT_EQ(code_of_opening(folder.write("libslmtune_cuda.so", "not a library")), "G001");
}

#endif

TEST(CudaModule, LiesBesideTheProgram) {
  EXPECT_EQ(default_cuda_module().filename(), "libslmtune_cuda.so");
  EXPECT_EQ(default_cuda_module().parent_path(),
            std::filesystem::read_symlink("/proc/self/exe").parent_path());
}

}  // namespace
}  // namespace slmtune::kernels
