// Tests of the GPU against the CPU. Exit status 77 where there is no GPU, with the reason.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

#include "core/error.h"
#include "kernels/device.h"
#include "tests/gpu/comparison.h"

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

int main(int count, char** words) {
  using namespace slmtune;
  ::testing::InitGoogleTest(&count, words);
  kernels::prepare_process();
  gpu_tests::Setting& setting = gpu_tests::setting();
  if (variable("SLMTUNE_GPU_TESTS") != "cpu") {
    try {
      const kernels::DeviceChoice choice = kernels::choose_device("cuda", "float32");
      setting = {.device = choice.device, .seed = std::random_device()()};
      std::cout << choice.line << "\n";
    } catch (const UnavailableError& error) {
      std::cout << "skipped: no GPU to compare with the CPU: " << error.what() << "\n";
      return 77;
    }
  }
  const std::string seed = variable("SLMTUNE_GPU_SEED");
  if (!seed.empty()) setting.seed = std::stoull(seed);
  std::cout << "inputs: SLMTUNE_GPU_SEED=" << setting.seed << std::endl;
  return RUN_ALL_TESTS();
}
