#include "kernels/matmul/matmul.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <tuple>

#include "kernels/matmul/table.h"
#include "tests/support/raises.h"
#include "tests/support/tensor_bytes.h"

namespace slmtune::kernels {
namespace {

using slmtune::testing::raises;

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor wide = expected.to(at::kDouble);
  return ((found.to(at::kDouble) - wide).norm() / wide.norm()).item<double>();
}

// Codes times scales, with numbers that double holds exactly.
at::Tensor decoded(const at::Tensor& x, Matmul matmul) {
  const RowCodes made = row_codes(x, matmul);
  return made.codes.to(at::kFloat).to(at::kDouble) * made.scales.to(at::kDouble);
}

class EightBit : public ::testing::TestWithParam<std::tuple<Matmul, at::ScalarType>> {
 protected:
  Matmul matmul() const { return std::get<0>(GetParam()); }
  at::Tensor random(int64_t rows, int64_t columns) {
    return at::randn({rows, columns})
        .mul_(at::rand({rows, 1}) * 9 + 0.1)
        .to(std::get<1>(GetParam()));
  }
};
INSTANTIATE_TEST_SUITE_P(
    Every, EightBit,
    ::testing::Combine(::testing::Values(Matmul::kFp8, Matmul::kInt8),
                       ::testing::Values(at::kFloat, at::kBFloat16)),
    [](const auto& instance) {
      return std::string(std::get<0>(instance.param) == Matmul::kFp8 ? "fp8" : "int8") +
             (std::get<1>(instance.param) == at::kFloat ? "_float32" : "_bfloat16");
    });

TEST_P(EightBit, IsTheProductOfTheDecodedRows) {
  at::manual_seed(2);
  for (const auto& [m, n, k] :
       {std::tuple(33, 17, 41), std::tuple(1, 8, 64), std::tuple(64, 1, 5)}) {
    const at::Tensor x = random(m, k), w = random(n, k), g = random(m, n);
    const double rounding = x.scalar_type() == at::kFloat ? 1e-5 : 4e-3;
    EXPECT_LT(relative_error(times_transposed(x, w, matmul()),
                             decoded(x, matmul()).mm(decoded(w, matmul()).t())),
              rounding);
    const at::Tensor columns = decoded(w.t().contiguous(), matmul()).t();
    EXPECT_LT(relative_error(times(g, w, matmul()), decoded(g, matmul()).mm(columns)), rounding);
    EXPECT_EQ(times(g, w, matmul()).scalar_type(), g.scalar_type());
  }
}

TEST_P(EightBit, IsNearTheProductOfTheModelsNumbers) {
  at::manual_seed(3);
  const at::Tensor x = random(64, 256), w = random(96, 256), g = random(64, 96);
  const double near = matmul() == Matmul::kInt8 ? 0.02 : 0.05;
  EXPECT_LT(
      relative_error(times_transposed(x, w, matmul()), x.to(at::kDouble).mm(w.to(at::kDouble).t())),
      near);
  EXPECT_LT(relative_error(times(g, w, matmul()), g.to(at::kDouble).mm(w.to(at::kDouble))), near);
}

TEST_P(EightBit, RowsOfZerosStayZeros) {
  const at::Tensor x = at::zeros({20, 32}), w = random(16, 32);
  EXPECT_TRUE(at::equal(times_transposed(x.to(w.scalar_type()), w, matmul()),
                        at::zeros({20, 16}, w.options())));
}

TEST_P(EightBit, OneLargeRowDoesNotSpoilTheOthers) {
  at::manual_seed(4);
  const at::Tensor x = random(20, 64), w = random(8, 64);
  at::Tensor spoilt = x.clone();
  spoilt[3].mul_(1000);
  const at::Tensor alone = times_transposed(x, w, matmul()),
                   beside = times_transposed(spoilt, w, matmul());
  EXPECT_TRUE(at::equal(alone.narrow(0, 4, 16), beside.narrow(0, 4, 16)));
}

TEST_P(EightBit, LargestOfARowIsTheLargestCode) {
  at::manual_seed(5);
  const RowCodes made = row_codes(random(6, 40), matmul());
  const at::Tensor largest = made.codes.to(at::kFloat).abs().amax(1);
  EXPECT_TRUE(at::equal(largest, at::full({6}, matmul() == Matmul::kInt8 ? 127.0 : 448.0)));
}

TEST(Matmul, InTheModelsNumbersIsThePlainProduct) {
  const at::Tensor x = at::randn({5, 7}), w = at::randn({3, 7}), g = at::randn({5, 3});
  EXPECT_TRUE(at::equal(times_transposed(x, w, Matmul::kModel), x.mm(w.t())));
  EXPECT_TRUE(at::equal(times(g, w, Matmul::kModel), g.mm(w)));
}

TEST(Matmul, KnowsTheShapesThatAGpuTakes) {
  EXPECT_TRUE(is_served(Matmul::kInt8, 17, 8, 24));
  EXPECT_FALSE(is_served(Matmul::kInt8, 16, 8, 24));
  EXPECT_FALSE(is_served(Matmul::kInt8, 17, 12, 24));
  EXPECT_TRUE(is_served(Matmul::kFp8, 1, 32, 48));
  EXPECT_FALSE(is_served(Matmul::kFp8, 1, 32, 40));
  EXPECT_FALSE(is_served(Matmul::kModel, 64, 64, 64));
}

TEST(Matmul, RefusesDevicesWithoutIt) {
  EXPECT_TRUE(raises("G015", {"'fp8'", "NVIDIA GeForce RTX 3060", "8.9", "'matmul: int8'"},
                     [] { check_matmul(Matmul::kFp8, 86, "NVIDIA GeForce RTX 3060"); }));
  EXPECT_TRUE(
      raises("G015", {"'int8'", "the CPU"}, [] { check_matmul(Matmul::kInt8, 0, "the CPU"); }));
  EXPECT_NO_THROW(check_matmul(Matmul::kFp8, 89, "L4"));
  EXPECT_NO_THROW(check_matmul(Matmul::kInt8, 80, "A100"));
  EXPECT_NO_THROW(check_matmul(Matmul::kModel, 0, "the CPU"));
}

// 3000 rows of 1024 values are widened in three pieces, the last one shorter.
TEST(Table, InSixteenBitsMultipliesAsItsValuesDo) {
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf}) {
    const at::Tensor table = at::randn({3000, 1024}).to(type), wide = table.to(at::kFloat);
    const at::Tensor x = at::randn({5, 1024}), g = at::randn({5, 4000}).narrow(1, 500, 3000);
    at::Tensor scored = at::zeros({5, 4000}), mixed = at::empty({5, 1024});
    at::Tensor columns = scored.narrow(1, 500, 3000);
    table_scores(x, table, columns);
    table_mix(g, table, mixed);
    EXPECT_LT(relative_error(columns, x.mm(wide.t())), 1e-6);
    EXPECT_LT(relative_error(mixed, g.mm(wide)), 1e-6);
    EXPECT_EQ(at::count_nonzero(scored.narrow(1, 3500, 500)).item<int64_t>(), 0);
  }
}

TEST(Table, OfTheArithmeticsOwnTypeIsNotCutIntoPieces) {
  const at::Tensor table = at::randn({3000, 1024}), x = at::randn({5, 1024});
  at::Tensor scored = at::empty({5, 3000}), mixed = at::empty({5, 1024});
  table_scores(x, table, scored);
  table_mix(scored, table, mixed);
  EXPECT_TRUE(at::equal(scored, x.mm(table.t())));
  EXPECT_TRUE(at::equal(mixed, scored.mm(table)));
}

TEST(Table, GivesScoresAGradient) {
  const at::Tensor table = at::randn({70, 8}).to(at::kBFloat16);
  const at::Tensor x = at::randn({5, 8}, at::kDouble).requires_grad_(true);
  const at::Tensor weights = at::randn({5, 70}, at::kDouble);
  (scores(x, table) * weights).sum().backward();
  EXPECT_LT(relative_error(x.grad(), weights.mm(table.to(at::kDouble))), 1e-12);
}

// 40 MB in float32.
TEST(Table, IsNeverWidenedWhole) {
  const at::Tensor table = at::zeros({10'000, 1024}, at::kBFloat16), x = at::zeros({2, 1024});
  const auto bytes = std::make_shared<slmtune::testing::TensorBytes>();
  {
    const c10::DebugInfoGuard watching(c10::DebugInfoKind::PROFILER_STATE, bytes);
    at::Tensor mixed = at::empty({2, 1024});
    table_mix(scores(x, table), table, mixed);
  }
  EXPECT_GT(bytes->most, 4 << 20);
  EXPECT_LT(bytes->most, 5 << 20);
}

}  // namespace
}  // namespace slmtune::kernels
