// What every test of this folder does: the same function on the CPU in float64 and on the GPU in
// the number type at hand, with inputs that are new in each run and memory that is poisoned before.
//
//   compare({x, weight}, [](Tensors in) { return Tensors{rms_norm(in[0], in[1], 1e-6)}; }, kExact);
//
// SLMTUNE_GPU_TESTS=cpu takes the CPU's float32 and bfloat16 kernels for the GPU's: the tests
// themselves run where no GPU is. SLMTUNE_GPU_SEED repeats the inputs of an earlier run.
#pragma once
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace slmtune::gpu_tests {

using Tensors = std::vector<at::Tensor>;
using Op = std::function<Tensors(Tensors inputs)>;

// Set by main.cpp before the first test.
struct Setting {
  at::Device device = at::kCPU;
  uint64_t seed = 1;
};
Setting& setting();

// While it lives, every tensor that is made without values holds NaN (the largest value for
// integers): an output that a kernel leaves unwritten is seen.
class PoisonedMemory {
 public:
  PoisonedMemory();
  ~PoisonedMemory();
  PoisonedMemory(const PoisonedMemory&) = delete;
  PoisonedMemory& operator=(const PoisonedMemory&) = delete;
};

// Bounds of ‖found − expected‖ / ‖expected‖ by number type. One element may be four times as far
// off, measured by the largest expected one.
struct Tolerance {
  double float32, bfloat16;
  double of(at::ScalarType dtype) const { return dtype == at::kFloat ? float32 : bfloat16; }
};
// A few operations and one rounding; sums over many; products of matrices and softmax.
inline constexpr Tolerance kExact = {2e-6, 4e-3}, kSummed = {1e-5, 6e-3}, kMixed = {1e-4, 2e-2};

// Normal numbers on the CPU, other ones at each call and in each run.
at::Tensor fresh(at::IntArrayRef shape, at::ScalarType dtype, double deviation = 1.0);

// Runs `op` on float64 copies on the CPU and on copies on the GPU, and compares all it returns.
// Inputs of integer types are handed on as they are.
void compare(const Tensors& inputs, const Op& op, const Tolerance& tolerance);

double relative_error(const at::Tensor& found, const at::Tensor& expected);
void expect_close(const at::Tensor& found, const at::Tensor& expected, double tolerance,
                  const std::string& what);

inline const at::ScalarType kDtypes[] = {at::kFloat, at::kBFloat16};

}  // namespace slmtune::gpu_tests
