// Kernels that work on rows of activations: embedding, RMSNorm, rotary positions, gated
// activations, cross-entropy.
#include "kernels/cross_entropy/cross_entropy.h"
#include "kernels/embedding/embedding.h"
#include "kernels/gated_activation/gated_activation.h"
#include "kernels/rms_norm/rms_norm.h"
#include "kernels/rope/rope.h"
#include "tests/gpu/comparison.h"

namespace slmtune::gpu_tests {
namespace {

using namespace kernels;

struct Shape {
  int64_t rows, columns;
};
// No row, one row, one column, widths that 16 bytes do not divide, and those of real models.
constexpr Shape kShapes[] = {{0, 16},   {1, 1},      {1, 8},     {3, 7},     {5, 33},
                             {17, 896}, {300, 1000}, {64, 1537}, {33, 4096}, {2, 14336}};

template <typename Work>
void for_all_shapes(const Work& work) {
  for (const Shape& shape : kShapes)
    for (const at::ScalarType dtype : kDtypes) {
      SCOPED_TRACE(std::to_string(shape.rows) + " x " + std::to_string(shape.columns));
      work(shape, dtype);
    }
}

constexpr double kEpsilon = 1e-6;
constexpr NormForm kForms[] = {NormForm::kLlama, NormForm::kGemma};

TEST(KernelRmsNorm, ForwardIsTheCpus) {
  for_all_shapes([](const Shape& shape, at::ScalarType dtype) {
    for (const NormForm form : kForms)
      compare(
          {fresh({shape.rows, shape.columns}, dtype, 3.0), fresh({shape.columns}, dtype)},
          [form](const Tensors& in) {
            const Normed normed = rms_norm_forward(in[0], in[1], kEpsilon, form);
            return Tensors{normed.y, normed.scale};
          },
          kSummed);
  });
}

TEST(KernelRmsNorm, AddsTheResidualInTheSamePass) {
  for_all_shapes([](const Shape& shape, at::ScalarType dtype) {
    for (const NormForm form : kForms)
      compare(
          {fresh({shape.rows, shape.columns}, dtype, 3.0),
           fresh({shape.rows, shape.columns}, dtype), fresh({shape.columns}, dtype)},
          [form](Tensors in) {
            const Normed normed = add_rms_norm(in[0], in[1], in[2], kEpsilon, form);
            return Tensors{in[0], normed.y, normed.scale};
          },
          kSummed);
  });
}

TEST(KernelRmsNorm, BackwardIsTheCpus) {
  for_all_shapes([](const Shape& shape, at::ScalarType dtype) {
    if (shape.columns == 1) return;  // a row of one number has a gradient of rounding errors alone
    const auto rows = [&] { return fresh({shape.rows, shape.columns}, dtype); };
    for (const NormForm form : kForms)
      compare(
          {rows(), rows(), rows(), fresh({shape.columns}, dtype)},
          [form](Tensors in) {
            const at::Tensor scale = rms_norm_forward(in[2], in[3], kEpsilon, form).scale;
            const at::Tensor alone = rms_norm_backward(in[1], in[2], in[3], scale, form);
            return Tensors{alone, rms_norm_backward_on(in[0], in[1], in[2], in[3], scale, form)};
          },
          kMixed);
  });
}

TEST(KernelRmsNorm, TrainsItsWeight) {
  for_all_shapes([](const Shape& shape, at::ScalarType dtype) {
    if (shape.rows == 0 || shape.columns == 1) return;
    compare(
        {fresh({shape.rows, shape.columns}, dtype), fresh({shape.columns}, dtype),
         fresh({shape.rows, shape.columns}, dtype)},
        [](Tensors in) {
          in[0].requires_grad_(true), in[1].requires_grad_(true);
          rms_norm(in[0], in[1], kEpsilon).backward(in[2]);
          return Tensors{in[0].grad(), in[1].grad()};
        },
        kMixed);
  });
}

// q and k as views of one qkv matrix, whose v must stay as it is.
TEST(KernelRope, TurnsViewsOfOneMatrixInPlace) {
  for (const int64_t tokens : {1, 3, 130})
    for (const int64_t head : {6, 64, 96, 128})
      for (const int64_t turned : {head / 2, head / 2 - 2})
        for (const at::ScalarType dtype : kDtypes) {
          SCOPED_TRACE(std::to_string(tokens) + " tokens, heads of " + std::to_string(head));
          compare(
              {fresh({tokens, 5 * head}, dtype), fresh({tokens, turned}, dtype),
               fresh({tokens, turned}, dtype)},
              [tokens, head](Tensors in) {
                at::Tensor heads = in[0].view({tokens, 5, head});
                at::Tensor q = heads.narrow(1, 0, 3), k = heads.narrow(1, 3, 1);
                rotate_in_place(q, in[1], in[2], Turn::kForward);
                rotate_in_place(k, in[1], in[2], Turn::kBack);
                return Tensors{in[0], rotated(q, in[1], in[2], Turn::kBack)};
              },
              kSummed);
        }
}

TEST(KernelRope, TurnsQueriesAndKeysTogether) {
  for (const int64_t tokens : {1, 131})
    for (const at::ScalarType dtype : kDtypes)
      compare(
          {fresh({tokens, 7 * 64}, dtype), fresh({tokens, 32}, dtype), fresh({tokens, 32}, dtype)},
          [tokens](Tensors in) {
            at::Tensor heads = in[0].view({tokens, 7, 64});
            at::Tensor q = heads.narrow(1, 0, 4), k = heads.narrow(1, 4, 2);
            rotate_both_in_place(q, k, in[1], in[2], Turn::kForward);
            return Tensors{in[0]};
          },
          kSummed);
}

TEST(KernelEmbedding, GathersAndScalesRows) {
  for (const int64_t tokens : {0, 1, 77})
    for (const int64_t width : {1, 7, 896, 1537})
      for (const at::ScalarType dtype : kDtypes)
        for (const double scale : {1.0, 48.0}) {
          const at::Tensor ids = (at::arange(tokens, at::kLong) * 7919 + 202).remainder(203);
          compare(
              {fresh({203, width}, dtype), ids},
              [scale](const Tensors& in) {
                return Tensors{embedding(in[0], in[1], {.scale = scale})};
              },
              kExact);
        }
}

TEST(KernelGatedActivation, ForwardAndBackwardAreTheCpus) {
  for_all_shapes([](const Shape& shape, at::ScalarType dtype) {
    const auto rows = [&] { return fresh({shape.rows, shape.columns}, dtype, 3.0); };
    for (const Activation activation : {Activation::kSilu, Activation::kGeluTanh})
      compare(
          {rows(), rows(), rows()},
          [activation](Tensors in) {
            const at::Tensor out = gated_activation(in[1], in[2], activation);
            gated_activation_backward(in[0], in[1], in[2], activation);
            return Tensors{out, in[0], in[1], in[2]};
          },
          kSummed);
  });
}

TEST(KernelGatedActivation, WorksOnTheHalvesOfOneMatrix) {
  for_all_shapes([](const Shape& shape, at::ScalarType dtype) {
    compare(
        {fresh({shape.rows, 2 * shape.columns}, dtype)},
        [columns = shape.columns](Tensors in) {
          at::Tensor gate = in[0].narrow(1, 0, columns), up = in[0].narrow(1, columns, columns);
          gated_activation_into(gate, gate, up, Activation::kSilu);
          return Tensors{in[0]};
        },
        kSummed);
  });
}

TEST(KernelGatedActivation, LargeNumbersStayFinite) {
  for (const at::ScalarType dtype : kDtypes) {
    const at::Tensor large = at::tensor({-1e30, -90.0, -0.0, 0.0, 90.0, 1e30}, at::kFloat);
    compare(
        {large.to(dtype).view({1, 6}), at::ones({1, 6}, dtype)},
        [](const Tensors& in) {
          return Tensors{gated_activation(in[0], in[1], Activation::kSilu),
                         gated_activation(in[0], in[1], Activation::kGeluTanh)};
        },
        kSummed);
  }
}

at::Tensor some_targets(int64_t rows, int64_t vocabulary) {
  return (at::arange(rows, at::kLong) * 7919 + vocabulary - 1).remainder(vocabulary);
}

TEST(KernelCrossEntropy, LossesAndGradientAreTheCpus) {
  constexpr Shape kLogits[] = {{0, 9}, {1, 5}, {7, 1000}, {33, 32003}, {4, 151936}, {3, 128256}};
  for (const auto& [rows, vocabulary] : kLogits)
    for (const at::ScalarType dtype : kDtypes)
      for (const double soft_cap : {0.0, 30.0}) {
        SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(vocabulary));
        compare(
            {fresh({rows, vocabulary}, dtype, 4.0), some_targets(rows, vocabulary)},
            [soft_cap](Tensors in) {
              const at::Tensor alone = cross_entropy(in[0], in[1], soft_cap);
              return Tensors{alone, cross_entropy_in_place(in[0], in[1], soft_cap), in[0]};
            },
            kSummed);
      }
}

TEST(KernelCrossEntropy, ARowThatIsNotANumberGivesALossThatIsNone) {
  const PoisonedMemory poisoned;
  for (const at::ScalarType dtype : kDtypes) {
    at::Tensor logits = fresh({4, 777}, dtype);
    logits[1][700] = NAN;
    logits[2][5] = INFINITY;
    at::Tensor there = logits.to(setting().device);
    const at::Tensor loss =
        cross_entropy_in_place(there, some_targets(4, 777).to(setting().device), 0.0).cpu();
    EXPECT_TRUE(at::equal(loss.isfinite(), at::tensor({1, 0, 0, 1}).to(at::kBool)));
  }
}

}  // namespace
}  // namespace slmtune::gpu_tests
