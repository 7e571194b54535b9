#include "kernels/device.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "core/error.h"

namespace slmtune::kernels {
namespace {

std::string code_of(const std::string& device, const std::string& dtype) {
  try {
    choose_device(device, dtype);
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

TEST(ChooseDevice, CpuSaysThreadsAndType) {
  const DeviceChoice choice = choose_device("cpu", "auto");
  EXPECT_TRUE(choice.device.is_cpu());
  EXPECT_EQ(choice.dtype, at::kFloat);
  EXPECT_NE(choice.line.find("float32"), std::string::npos);
  EXPECT_FALSE(choice.processor.empty());
  EXPECT_EQ(choose_device("cpu", "bfloat16").dtype, at::kBFloat16);
}

// On the CPU the dtype follows the processor and the size of the model, not the day's timing.
TEST(ChooseDevice, AutoIsBFloat16OnlyWhereProductsGainFromItAndForALargeModel) {
  std::ifstream facts("/proc/cpuinfo");
  const std::string text{std::istreambuf_iterator<char>(facts), {}};
  const auto has = [&](const char* word) { return text.find(word) != std::string::npos; };
  const bool gains = has(" amx_bf16") || (has("AuthenticAMD") && has(" avx512_bf16"));
  EXPECT_EQ(choose_device("cpu", "auto", 4096).dtype, gains ? at::kBFloat16 : at::kFloat);
  EXPECT_EQ(choose_device("cpu", "auto", 64).dtype, at::kFloat);
  EXPECT_EQ(choose_device("cpu", "float32", 4096).dtype, at::kFloat);
}

TEST(ChooseDevice, UnknownWordsAreUsageErrors) {
  EXPECT_EQ(code_of("gpu", "auto"), "U011");
  EXPECT_EQ(code_of("cuda:N", "auto"), "U011");
  EXPECT_EQ(code_of("cpu", "float8"), "U011");
}

TEST(ChooseDevice, AutoNeverFails) {
  EXPECT_EQ(code_of("auto", "auto"), "");
}

TEST(PrepareProcess, HonoursTheThreadCountOfTheEnvironment) {
  const int before = at::get_num_threads();
  setenv("OMP_NUM_THREADS", "3", 1);
  prepare_process();
  EXPECT_EQ(at::get_num_threads(), 3);
  setenv("OMP_NUM_THREADS", "nonsense", 1);
  prepare_process();
  EXPECT_GE(at::get_num_threads(), 1);
  unsetenv("OMP_NUM_THREADS");
  at::set_num_threads(before);
}

TEST(SeedEverything, SameSeedSameNumbers) {
  seed_everything(5);
  const at::Tensor first = at::rand({8});
  seed_everything(5);
  EXPECT_TRUE(at::equal(at::rand({8}), first));
  seed_everything(6);
  EXPECT_FALSE(at::equal(at::rand({8}), first));
}

TEST(SeedEverything, AsksForDeterministicOperators) {
  seed_everything(1);
  EXPECT_TRUE(at::globalContext().deterministicAlgorithms());
}

}  // namespace
}  // namespace slmtune::kernels
