// The very kernels of rms_norm.cu, run by the block emulator, against the CPU's RMSNorm in float64.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "kernels/rms_norm/rms_norm.h"
#include "kernels/rms_norm/rms_norm_cuda.h"
#include "tests/emulator/device_tensor.h"

namespace slmtune::kernels {
namespace {

using emulator::empty_on_device;
using emulator::on_device;

struct Case {
  int64_t rows, columns;
  at::ScalarType dtype;
  int64_t offset = 0;  // elements that arrays start behind a multiple of 256 bytes
};

class RmsNormCuda : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    at::manual_seed(11);
    const Case& c = GetParam();
    x = on_device(at::randn({c.rows, c.columns}).mul_(3).to(c.dtype), c.offset);
    addend = on_device(at::randn({c.rows, c.columns}).to(c.dtype), c.offset);
    weight = on_device(at::randn({c.columns}).to(c.dtype));
    grad_y = on_device(at::randn({c.rows, c.columns}).to(c.dtype));
    y = empty_on_device({c.rows, c.columns}, c.dtype, c.offset);
    scale = empty_on_device({c.rows}, at::kFloat);
    shape = {c.rows, c.columns, c.dtype == at::kFloat ? CudaElement::kF32 : CudaElement::kBF16, 0};
  }

  void run_forward(CudaNormForm form, const at::Tensor* more) {
    ASSERT_EQ(launch_rms_norm_forward(
                  shape, form, x.data_ptr(), more != nullptr ? more->data_ptr() : nullptr,
                  weight.data_ptr(), y.data_ptr(), scale.data_ptr<float>(), eps, nullptr),
              0);
  }

  void expect_close(const at::Tensor& actual, const at::Tensor& expected) const {
    const double size = std::max(0.1, expected.abs().max().item<double>());
    const double tolerance = GetParam().dtype == at::kFloat ? 2e-6 : 1.2e-2;
    EXPECT_LT((actual.to(at::kDouble) - expected).abs().max().item<double>(), tolerance * size);
  }

  // Gradients of sum(norm(x) · grad_y) in float64: to x and to the weight.
  std::vector<at::Tensor> wide_gradients(NormForm form) const {
    const at::Tensor wide_x = x.to(at::kDouble).requires_grad_(true),
                     wide_weight = weight.to(at::kDouble).requires_grad_(true);
    return torch::autograd::grad({rms_norm(wide_x, wide_weight, eps, form)}, {wide_x, wide_weight},
                                 {grad_y.to(at::kDouble)});
  }

  static constexpr double eps = 1e-5;
  at::Tensor x, addend, weight, grad_y, y, scale;
  CudaRows shape;
};

constexpr std::pair<NormForm, CudaNormForm> kForms[] = {{NormForm::kLlama, CudaNormForm::kLlama},
                                                        {NormForm::kGemma, CudaNormForm::kGemma}};

TEST_P(RmsNormCuda, ForwardMatchesFloat64) {
  for (const auto& [form, cuda_form] : kForms) {
    run_forward(cuda_form, nullptr);
    expect_close(y, rms_norm(x.to(at::kDouble), weight.to(at::kDouble), eps, form));
    const at::Tensor squares = x.to(at::kDouble).square().mean(-1);
    EXPECT_TRUE(at::allclose(scale.to(at::kDouble), at::rsqrt(squares + eps), 1e-6));
  }
}

TEST_P(RmsNormCuda, TheResidualIsAddedInTheSamePass) {
  for (const auto& [form, cuda_form] : kForms) {
    const at::Tensor sum = (x.to(at::kFloat) + addend.to(at::kFloat)).to(x.scalar_type());
    run_forward(cuda_form, &addend);
    EXPECT_TRUE(at::equal(x, sum));
    expect_close(y, rms_norm(sum.to(at::kDouble), weight.to(at::kDouble), eps, form));
  }
}

TEST_P(RmsNormCuda, GradientsMatchFloat64) {
  for (const auto& [form, cuda_form] : kForms) {
    run_forward(cuda_form, nullptr);
    const auto expected = wide_gradients(form);
    const at::Tensor grad_weight = empty_on_device(weight.sizes(), weight.scalar_type());
    const at::Tensor partial =
        empty_on_device({rms_norm_partial_rows(shape.count), shape.columns}, at::kFloat);
    ASSERT_EQ(launch_rms_norm_weight_gradient(shape, cuda_form, grad_y.data_ptr(), x.data_ptr(),
                                              scale.data_ptr<float>(), grad_weight.data_ptr(),
                                              partial.data_ptr<float>(), nullptr),
              0);
    expect_close(grad_weight, expected[1]);
    const at::Tensor grad_x = empty_on_device(x.sizes(), x.scalar_type());
    ASSERT_EQ(launch_rms_norm_backward(shape, cuda_form, grad_y.data_ptr(), x.data_ptr(),
                                       weight.data_ptr(), scale.data_ptr<float>(), nullptr,
                                       grad_x.data_ptr(), nullptr),
              0);
    expect_close(grad_x, expected[0]);
  }
}

TEST_P(RmsNormCuda, GradientIsAddedToWhatIsThere) {
  for (const auto& [form, cuda_form] : kForms) {
    run_forward(cuda_form, nullptr);
    const at::Tensor sum = on_device(addend, GetParam().offset);
    ASSERT_EQ(launch_rms_norm_backward(shape, cuda_form, grad_y.data_ptr(), x.data_ptr(),
                                       weight.data_ptr(), scale.data_ptr<float>(), sum.data_ptr(),
                                       sum.data_ptr(), nullptr),
              0);
    expect_close(sum, wide_gradients(form)[0] + addend.to(at::kDouble));
  }
}

// One number; one row; rows of no whole 16 bytes; arrays off 16 bytes; rows beyond what a block
// keeps in registers, in groups and one by one.
INSTANTIATE_TEST_SUITE_P(Shapes, RmsNormCuda,
                         ::testing::Values(Case{1, 1, at::kFloat}, Case{3, 8, at::kFloat},
                                           Case{5, 33, at::kFloat}, Case{2, 132, at::kFloat, 1},
                                           Case{1, 4100, at::kFloat}, Case{1, 2051, at::kFloat},
                                           Case{1, 1, at::kBFloat16}, Case{3, 24, at::kBFloat16},
                                           Case{4, 37, at::kBFloat16},
                                           Case{2, 264, at::kBFloat16, 3},
                                           Case{1, 8200, at::kBFloat16},
                                           Case{300, 9, at::kBFloat16}));

TEST(RmsNormCudaLimits, RefusesNoRowsAndNoColumns) {
  for (const CudaRows rows : {CudaRows{0, 8}, CudaRows{8, 0}})
    EXPECT_NE(launch_rms_norm_forward(rows, CudaNormForm::kLlama, nullptr, nullptr, nullptr,
                                      nullptr, nullptr, 1e-5, nullptr),
              0);
}

}  // namespace
}  // namespace slmtune::kernels
