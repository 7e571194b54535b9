// What holds for the formats of fewer bits only; the laws of all formats are in
// dense_weight_test.cpp.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "kernels/quant/int8/int8_weight.h"
#include "kernels/quant/nf4/nf4_weight.h"
#include "tests/support/raises.h"

namespace slmtune::kernels {
namespace {

TEST(Nf4Weight, TakesLittleMoreThanHalfAByteAWeight) {
  const Nf4Weight weight(at::randn({256, 1024}));
  const at::Tensor map = weight.state().at("weight.quant_map");
  const auto tables =
      static_cast<uint64_t>((16 + 256 + 1) * 4);  // once a weight, whatever its size
  EXPECT_LE(static_cast<double>(weight.bytes() - tables), 0.52 * 256 * 1024);
  EXPECT_EQ(map.numel(), 16);
}

TEST(Nf4Weight, StateRoundTripsBitExactly) {
  at::manual_seed(3);
  const Nf4Weight weight(at::randn({48, 100}));
  const auto state = weight.state();
  const Nf4Weight again(
      48, 100,
      {state.at("weight"), state.at("weight.absmax"), state.at("weight.nested_absmax"),
       state.at("weight.nested_offset").item<float>()});
  EXPECT_TRUE(at::equal(weight.dense(at::kFloat), again.dense(at::kFloat)));
  for (const auto& [name, tensor] : again.state())
    EXPECT_TRUE(at::equal(tensor, state.at(name))) << name;
}

TEST(Nf4Weight, TensorsThatDoNotFitTheShapeAreRefused) {
  const auto state = Nf4Weight(at::randn({4, 64})).state();
  const Nf4Tensors stored{state.at("weight"), state.at("weight.absmax"),
                          state.at("weight.nested_absmax")};
  EXPECT_TRUE(testing::raises("F057", {"[4, 128]"}, [&] { Nf4Weight(4, 128, stored); }));
}

TEST(Nf4Weight, ScalesWithoutSecondQuantisationAreTakenAsTheyAre) {
  const at::Tensor dense = at::tensor({1.0, -1.0, 0.0, 1.0}).repeat({2, 16});
  const auto state = Nf4Weight(dense).state();
  const Nf4Weight plain(2, 64, {state.at("weight"), at::full({2}, 3.0), {}});
  EXPECT_TRUE(at::equal(plain.dense(at::kFloat), dense.to(at::kFloat) * 3));
}

TEST(Nf4Weight, BFloat16IsTheRoundedProduct) {
  const Nf4Weight weight(at::randn({33, 96}));
  EXPECT_TRUE(at::equal(weight.dense(at::kBFloat16), weight.dense(at::kFloat).to(at::kBFloat16)));
}

// Rows that fill no vector, no run and no block; and enough for more than one thread.
constexpr int64_t kShapes[][2] = {{1, 1}, {3, 5}, {1, 64}, {7, 33}, {129, 511}, {300, 1000}};

TEST(QuantisedWeights, AreMadeFromEveryTypeOfTheSameValues) {
  at::manual_seed(5);
  for (const auto& shape : kShapes)
    for (const char* format : {"nf4", "int8"}) {
      const at::Tensor half = at::randn(shape).to(at::kHalf),
                       brain = at::randn(shape).to(at::kBFloat16);
      for (const at::Tensor& narrow : {half, brain}) {
        const auto expected = quant_format(format)(narrow.to(at::kFloat));
        for (const at::Tensor& same : {narrow, narrow.to(at::kDouble)}) {
          const auto found = quant_format(format)(same);
          for (const auto& [name, tensor] : expected->state())
            EXPECT_TRUE(at::equal(found->state().at(name), tensor)) << format << " " << name;
        }
      }
    }
}

TEST(QuantisedWeights, OfABFloat16ModelMultiplyInItsType) {
  at::manual_seed(6);
  for (const auto& shape : kShapes)
    for (const char* format : {"nf4", "int8"}) {
      const auto weight = quant_format(format)(at::randn(shape, at::kBFloat16));
      at::Tensor x = at::randn({4, shape[1]}, at::kBFloat16).set_requires_grad(true);
      const at::Tensor y = weight->matmul(x);
      EXPECT_EQ(y.scalar_type(), at::kBFloat16);
      EXPECT_TRUE(at::equal(y, at::linear(x, weight->dense(at::kBFloat16)))) << format;
      y.sum().backward();
      const at::Tensor ones = at::ones({4, shape[0]}, at::kBFloat16);
      EXPECT_TRUE(at::equal(x.grad(), at::matmul(ones, weight->dense(at::kBFloat16)))) << format;
    }
}

// "meta" is a device without memory, which every machine has.
TEST(QuantisedWeights, MoveAsAWholeToAnotherDevice) {
  for (const char* format : {"nf4", "int8"}) {
    const auto weight = quant_format(format)(at::randn({4, 96}));
    const uint64_t bytes = weight->bytes();
    const auto before = weight->state();
    weight->to(at::kMeta);
    for (const auto& [name, tensor] : weight->state()) {
      EXPECT_TRUE(tensor.is_meta()) << format << " " << name;
      EXPECT_EQ(tensor.sizes(), before.at(name).sizes()) << name;
      EXPECT_EQ(tensor.scalar_type(), before.at(name).scalar_type()) << name;
    }
    EXPECT_EQ(weight->bytes(), bytes);
  }
}

TEST(QuantisedWeights, AreWrittenIntoATensorThatIsGiven) {
  at::manual_seed(8);
  for (const char* format : {"nf4", "int8"}) {
    const auto weight = quant_format(format)(at::randn({9, 70}));
    at::Tensor target = at::empty({9, 70}, at::kBFloat16);
    static_cast<const QuantisedWeight&>(*weight).write_into(target);
    EXPECT_TRUE(at::equal(target, weight->dense(at::kBFloat16))) << format;
  }
}

TEST(Int8Weight, IsOffByHalfAStepAtMost) {
  at::manual_seed(4);
  at::Tensor dense = at::randn({7, 50});
  dense[3].zero_();
  const Int8Weight weight(dense);
  const at::Tensor step = dense.abs().amax(1, true) / 127;
  EXPECT_TRUE(((weight.dense(at::kFloat) - dense).abs() <= step * 0.5001).all().item<bool>());
  EXPECT_EQ(weight.bytes(), 7u * 50 + 7 * 4);
}

}  // namespace
}  // namespace slmtune::kernels
