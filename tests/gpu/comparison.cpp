#include "tests/gpu/comparison.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include "core/seed.h"

namespace slmtune::gpu_tests {

Setting& setting() {
  static Setting one;
  return one;
}

PoisonedMemory::PoisonedMemory() {
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
  at::globalContext().setDeterministicFillUninitializedMemory(true);
}

PoisonedMemory::~PoisonedMemory() {
  at::globalContext().setDeterministicFillUninitializedMemory(false);
  at::globalContext().setDeterministicAlgorithms(false, false);
}

at::Tensor fresh(at::IntArrayRef shape, at::ScalarType dtype, double deviation) {
  static uint64_t calls = 0;
  at::Generator random = at::detail::createCPUGenerator(
      derive_seed(setting().seed, "gpu test " + std::to_string(++calls)));
  return at::empty(shape, at::kFloat).normal_(0.0, deviation, random).to(dtype);
}

namespace {

Tensors copies(const Tensors& tensors, at::Device device, bool wide) {
  Tensors made;
  for (const at::Tensor& tensor : tensors) {
    const auto dtype = wide && tensor.is_floating_point() ? at::kDouble : tensor.scalar_type();
    made.push_back(tensor.to(device, dtype, /*non_blocking=*/false, /*copy=*/true));
  }
  return made;
}

at::ScalarType number_type(const Tensors& inputs) {
  for (const at::Tensor& tensor : inputs)
    if (tensor.is_floating_point()) return tensor.scalar_type();
  return at::kFloat;
}

}  // namespace

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor wide = expected.detach().to(at::kCPU, at::kDouble);
  const at::Tensor difference = found.detach().to(at::kCPU, at::kDouble) - wide;
  const double size = wide.norm().item<double>();
  return difference.norm().item<double>() / (size > 0.0 ? size : 1.0);
}

void expect_close(const at::Tensor& found, const at::Tensor& expected, double tolerance,
                  const std::string& what) {
  ASSERT_EQ(found.sizes(), expected.sizes()) << what;
  if (expected.numel() == 0) return;
  const at::Tensor here = found.detach().to(at::kCPU, at::kDouble);
  const at::Tensor wide = expected.detach().to(at::kCPU, at::kDouble);
  ASSERT_TRUE(at::equal(here.isfinite(), wide.isfinite()))
      << what << ": not the same finite places";
  const at::Tensor there = at::nan_to_num(wide, 0.0, 0.0, 0.0);
  const at::Tensor finite = at::nan_to_num(here, 0.0, 0.0, 0.0);
  EXPECT_LE(relative_error(finite, there), tolerance) << what;
  const double largest = there.abs().max().item<double>();
  EXPECT_LE((finite - there).abs().max().item<double>(), 4.0 * tolerance * largest)
      << what << ": one element";
}

void compare(const Tensors& inputs, const Op& op, const Tolerance& tolerance) {
  const PoisonedMemory poisoned;
  const Tensors expected = op(copies(inputs, at::kCPU, true));
  const Tensors found = op(copies(inputs, setting().device, false));
  ASSERT_EQ(found.size(), expected.size());
  const at::ScalarType dtype = number_type(inputs);
  for (size_t i = 0; i < found.size(); ++i)
    expect_close(found[i], expected[i], tolerance.of(dtype),
                 std::string(at::toString(dtype)) + ", output " + std::to_string(i));
}

}  // namespace slmtune::gpu_tests
