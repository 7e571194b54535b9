// The very kernels of rms_norm.cu, run by the block emulator, against float64.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "kernels/rms_norm/rms_norm.h"
#include "kernels/rms_norm/rms_norm_cuda.h"

namespace slmtune::kernels {
namespace {

struct Case {
  int64_t rows, columns;
  at::ScalarType dtype;
  double tolerance;
};

class RmsNormCuda : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    at::manual_seed(11);
    const Case& c = GetParam();
    x = at::randn({c.rows, c.columns}).mul_(3).to(c.dtype);
    weight = at::randn({c.columns}).to(c.dtype);
    grad_y = at::randn({c.rows, c.columns}).to(c.dtype);
    y = at::empty_like(x);
    scale = at::empty({c.rows}, at::kFloat);
    shape = {c.rows, c.columns, c.dtype == at::kFloat ? CudaElement::kF32 : CudaElement::kBF16, 0};
    ASSERT_EQ(launch_rms_norm_forward(shape, x.data_ptr(), weight.data_ptr(), y.data_ptr(),
                                      scale.data_ptr<float>(), eps, nullptr),
              0);
  }
  void expect_close(const at::Tensor& actual, const at::Tensor& expected) const {
    const double scale_of_values = expected.abs().max().item<double>();
    EXPECT_LT((actual.to(at::kDouble) - expected).abs().max().item<double>(),
              GetParam().tolerance * scale_of_values);
  }

  static constexpr double eps = 1e-5;
  at::Tensor x, weight, grad_y, y, scale;
  CudaRows shape;
};

TEST_P(RmsNormCuda, ForwardMatchesFloat64) {
  expect_close(y, rms_norm(x.to(at::kDouble), weight.to(at::kDouble), eps));
}

TEST_P(RmsNormCuda, GradientsMatchFloat64) {
  at::Tensor wide_x = x.to(at::kDouble).requires_grad_(true),
             wide_weight = weight.to(at::kDouble).requires_grad_(true);
  const auto expected = torch::autograd::grad({rms_norm(wide_x, wide_weight, eps)},
                                              {wide_x, wide_weight}, {grad_y.to(at::kDouble)});
  at::Tensor grad_x = at::empty_like(x), grad_weight = at::empty_like(weight);
  at::Tensor partial = at::empty({rms_norm_partial_rows(shape.count), shape.columns}, at::kFloat);
  ASSERT_EQ(launch_rms_norm_backward(shape, grad_y.data_ptr(), x.data_ptr(), weight.data_ptr(),
                                     scale.data_ptr<float>(), grad_x.data_ptr(),
                                     grad_weight.data_ptr(), partial.data_ptr<float>(), nullptr),
            0);
  expect_close(grad_x, expected[0]);
  expect_close(grad_weight, expected[1]);
}

TEST_P(RmsNormCuda, FrozenWeightNeedsNoWorkspace) {
  at::Tensor grad_x = at::empty_like(x);
  EXPECT_EQ(launch_rms_norm_backward(shape, grad_y.data_ptr(), x.data_ptr(), weight.data_ptr(),
                                     scale.data_ptr<float>(), grad_x.data_ptr(), nullptr, nullptr,
                                     nullptr),
            0);
  EXPECT_TRUE(at::isfinite(grad_x).all().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(Shapes, RmsNormCuda,
                         ::testing::Values(Case{3, 8, at::kFloat, 1e-6},
                                           Case{2, 132, at::kFloat, 1e-6},
                                           Case{1, 520, at::kFloat, 1e-6},
                                           Case{3, 24, at::kBFloat16, 2e-2},
                                           Case{2, 264, at::kBFloat16, 2e-2}));

TEST(RmsNormCudaLimits, RefusesRowsThatAreNoMultipleOf16Bytes) {
  EXPECT_NE(launch_rms_norm_forward({1, 6, CudaElement::kF32, 0}, nullptr, nullptr, nullptr,
                                    nullptr, 1e-5, nullptr),
            0);
  EXPECT_NE(launch_rms_norm_forward({1, 4, CudaElement::kBF16, 0}, nullptr, nullptr, nullptr,
                                    nullptr, 1e-5, nullptr),
            0);
}

}  // namespace
}  // namespace slmtune::kernels
