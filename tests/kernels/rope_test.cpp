#include "kernels/rope/rope.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace slmtune::kernels {
namespace {

struct Tolerance {
  at::ScalarType dtype;
  double relative;
};
constexpr Tolerance kTolerances[] = {
    {at::kFloat, 1e-6}, {at::kBFloat16, 1e-2}, {at::kDouble, 1e-12}};

struct Case {
  at::Tensor x, cos, sin;  // [T, H, hd], [T, R]
};

Case random_case(int64_t tokens, int64_t heads, int64_t width, int64_t half, at::ScalarType dtype) {
  const at::Tensor angles = at::randn({tokens, half}, at::kDouble) * 5;
  return {at::randn({tokens, heads, width}, at::kDouble).to(dtype), angles.cos().to(dtype),
          angles.sin().to(dtype)};
}

// Channel by channel, as the formula reads.
at::Tensor reference(const Case& given, double direction) {
  const at::Tensor x = given.x.to(at::kDouble), cos = given.cos.to(at::kDouble);
  const at::Tensor sin = given.sin.to(at::kDouble) * direction;
  const int64_t half = cos.size(1);
  at::Tensor out = x.clone();
  for (int64_t i = 0; i < half; ++i) {
    const at::Tensor a = x.select(2, i), b = x.select(2, i + half);
    const at::Tensor c = cos.narrow(1, i, 1), s = sin.narrow(1, i, 1);
    out.select(2, i).copy_(a * c - b * s);
    out.select(2, i + half).copy_(b * c + a * s);
  }
  return out;
}

double worst(const at::Tensor& actual, const at::Tensor& expected) {
  return (actual.to(at::kDouble) - expected).abs().max().item<double>();
}

TEST(RopeKernel, MatchesTheFormulaForwardAndBack) {
  at::manual_seed(1);
  for (const auto& [dtype, tolerance] : kTolerances)
    for (const auto& [width, half] : {std::pair{2, 1}, {6, 3}, {64, 32}, {80, 20}, {128, 64}}) {
      Case given = random_case(7, 3, width, half, dtype);
      EXPECT_LT(
          worst(rotated(given.x, given.cos, given.sin, Turn::kForward), reference(given, 1.0)),
          4 * tolerance);
      EXPECT_LT(worst(rotated(given.x, given.cos, given.sin, Turn::kBack), reference(given, -1.0)),
                4 * tolerance);
    }
}

TEST(RopeKernel, InPlaceEqualsACopyAlsoInsideAQkvMatrix) {
  at::manual_seed(2);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kDouble}) {
    const Case given = random_case(5, 4, 16, 6, dtype);
    const at::Tensor expected = rotated(given.x, given.cos, given.sin, Turn::kForward);
    at::Tensor qkv = at::full({5, 96}, 7.0, given.x.options());
    at::Tensor view = qkv.narrow(1, 16, 64).view({5, 4, 16});
    view.copy_(given.x);
    EXPECT_TRUE(at::equal(rotated(view, given.cos, given.sin, Turn::kForward), expected));
    rotate_in_place(view, given.cos, given.sin, Turn::kForward);
    EXPECT_TRUE(at::equal(view, expected));
    EXPECT_EQ((qkv == 7.0).sum().item<int64_t>(), 5 * 32);  // what lies beside it is left alone
  }
}

TEST(RopeKernel, BackUndoesForward) {
  at::manual_seed(3);
  Case given = random_case(600, 2, 32, 16, at::kFloat);
  const at::Tensor before = given.x.clone();
  rotate_in_place(given.x, given.cos, given.sin, Turn::kForward);
  rotate_in_place(given.x, given.cos, given.sin, Turn::kBack);
  EXPECT_LT(worst(given.x, before.to(at::kDouble)), 1e-5);
}

TEST(RopeKernel, ReadsChannelsThatAreNotSideBySide) {
  const Case given = random_case(4, 2, 8, 4, at::kFloat);
  const at::Tensor twisted = given.x.transpose(1, 2).contiguous().transpose(1, 2);
  EXPECT_TRUE(at::equal(rotated(twisted, given.cos, given.sin, Turn::kForward),
                        rotated(given.x, given.cos, given.sin, Turn::kForward)));
}

TEST(RopeKernel, WrongTablesAreOurBug) {
  const Case given = random_case(4, 2, 8, 4, at::kFloat);
  EXPECT_THROW(rotated(given.x, given.cos.narrow(0, 0, 3), given.sin, Turn::kForward),
               InternalError);
  EXPECT_THROW(rotated(given.x.narrow(2, 0, 6), given.cos, given.sin, Turn::kForward),
               InternalError);
  EXPECT_THROW(rotated(given.x, given.cos.to(at::kDouble), given.sin, Turn::kForward),
               InternalError);
}

}  // namespace
}  // namespace slmtune::kernels
