// Frozen weights in every storage format: the bytes that the GPU makes are the CPU's, and so is
// what it reads back from them.
#include "kernels/quant/frozen_weight.h"
#include "tests/gpu/comparison.h"

namespace slmtune::gpu_tests {
namespace {

using kernels::FrozenWeight;

struct Pair {
  std::unique_ptr<FrozenWeight> cpu, gpu;
};

Pair stored(const kernels::QuantRow& format, const at::Tensor& dense) {
  const PoisonedMemory poisoned;
  return {format.make(dense), format.make(dense.to(setting().device))};
}

// Sizes that no block divides, one weight, and matrices of several blocks of scales (64 · 256).
const std::vector<std::pair<int64_t, int64_t>> kSizes = {
    {1, 1}, {1, 64}, {3, 21}, {64, 96}, {130, 1027}, {256, 512}, {7, 18944}};

at::Tensor weights(int64_t out, int64_t in, at::ScalarType dtype) {
  at::Tensor dense = fresh({out, in}, dtype, 0.02);
  // A block of zeros, one large weight, and values that lie between two codes of bfloat16.
  if (dense.numel() > 300) {
    dense.view({-1}).narrow(0, 64, 64).zero_();
    dense.view({-1})[200] = 3.0;
  }
  return dense;
}

template <typename Work>
void for_all_weights(const Work& work) {
  for (const kernels::QuantRow& format : kernels::quant_formats())
    for (const auto& [out, in] : kSizes)
      for (const at::ScalarType dtype : kDtypes) {
        SCOPED_TRACE(format.name + ", " + std::to_string(out) + " x " + std::to_string(in) + ", " +
                     at::toString(dtype));
        work(format, weights(out, in, dtype));
      }
}

TEST(KernelWeights, BytesAreTheCpus) {
  for_all_weights([](const kernels::QuantRow& format, const at::Tensor& dense) {
    const Pair pair = stored(format, dense);
    const auto expected = pair.cpu->state(), found = pair.gpu->state();
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [name, tensor] : expected)
      EXPECT_TRUE(at::equal(found.at(name).cpu(), tensor)) << name;
    EXPECT_EQ(pair.gpu->bytes(), pair.cpu->bytes());
  });
}

TEST(KernelWeights, AreReadBackToTheSameBits) {
  for_all_weights([](const kernels::QuantRow& format, const at::Tensor& dense) {
    const Pair pair = stored(format, dense);
    const PoisonedMemory poisoned;
    for (const at::ScalarType dtype : kDtypes) {
      const at::Tensor found = pair.gpu->dense(dtype);
      EXPECT_EQ(found.device(), setting().device);
      EXPECT_TRUE(at::equal(found.cpu(), pair.cpu->dense(dtype))) << at::toString(dtype);
    }
  });
}

TEST(KernelWeights, MultiplyAndLetGradientsThrough) {
  for (const kernels::QuantRow& format : kernels::quant_formats())
    for (const at::ScalarType dtype : kDtypes) {
      const Pair pair = stored(format, weights(130, 1027, dtype));
      const at::Tensor x = fresh({37, 1027}, dtype), gradient = fresh({37, 130}, dtype);
      const auto product = [](const FrozenWeight& weight, at::Tensor input,
                              const at::Tensor& grad) {
        input.requires_grad_(true);
        const at::Tensor y = weight.matmul(input);
        y.backward(grad);
        return Tensors{y.detach(), input.grad()};
      };
      const at::Device device = setting().device;
      const Tensors expected = product(*pair.cpu, x.clone(), gradient);
      const Tensors found =
          product(*pair.gpu, x.to(device, dtype, false, true), gradient.to(device));
      for (size_t i = 0; i < found.size(); ++i)
        expect_close(found[i], expected[i], kSummed.of(dtype), format.name);
    }
}

}  // namespace
}  // namespace slmtune::gpu_tests
