// The very kernels of rope.cu, gated_activation.cu and embedding.cu, run by the block emulator,
// against the CPU's operations of the same names.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "kernels/embedding/embedding.h"
#include "kernels/embedding/embedding_cuda.h"
#include "kernels/gated_activation/gated_activation.h"
#include "kernels/gated_activation/gated_activation_cuda.h"
#include "kernels/rope/rope.h"
#include "kernels/rope/rope_cuda.h"
#include "tests/emulator/device_tensor.h"

namespace slmtune::kernels {
namespace {

using emulator::empty_on_device;
using emulator::on_device;

constexpr at::ScalarType kTypes[] = {at::kFloat, at::kBFloat16};

CudaElement element_of(at::ScalarType dtype) {
  return dtype == at::kFloat ? CudaElement::kF32 : CudaElement::kBF16;
}

// bfloat16: one unit in the last of 8 bits, where the two sides round to different neighbours.
void expect_close(const at::Tensor& actual, const at::Tensor& expected) {
  const double tolerance = actual.scalar_type() == at::kFloat ? 3e-6 : 8e-3;
  EXPECT_TRUE(at::allclose(actual.to(at::kDouble), expected.to(at::kDouble), tolerance, tolerance))
      << (actual.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>();
}

struct RopeCase {
  int64_t tokens, heads, kv_heads, width, half;
  int64_t gap = 0;  // unused channels behind a token's heads: strides that 16 bytes do not divide
};

// One token; one head; halves that 16 bytes divide and do not; part of the channels; no turn.
constexpr RopeCase kRopeCases[] = {{1, 1, 1, 2, 1},     {3, 4, 2, 16, 8}, {5, 3, 1, 10, 5},
                                   {2, 2, 2, 32, 8, 3}, {7, 2, 1, 24, 8}, {2, 9, 3, 64, 32},
                                   {2, 1, 1, 4, 0}};

// [tokens, heads, width] of one matrix, as views of rows with a gap.
at::Tensor heads_on_device(const RopeCase& c, int64_t heads, at::ScalarType dtype) {
  const at::Tensor rows = on_device(at::randn({c.tokens, heads * c.width + c.gap}).to(dtype));
  return rows.narrow(1, 0, heads * c.width).view({c.tokens, heads, c.width});
}

CudaTurned turned(const at::Tensor& x, const at::Tensor& out) {
  return {x.data_ptr(), out.data_ptr(), x.size(1),    x.stride(0),
          x.stride(1),  out.stride(0),  out.stride(1)};
}

template <typename Body>
void for_rope_cases(const Body& body) {
  for (const RopeCase& c : kRopeCases)
    for (const at::ScalarType dtype : kTypes) {
      SCOPED_TRACE(std::to_string(c.tokens) + " x " + std::to_string(c.heads) + " x " +
                   std::to_string(c.width));
      const at::Tensor cos = on_device(at::randn({c.tokens, c.half}).to(dtype));
      const at::Tensor sin = on_device(at::randn({c.tokens, c.half}).to(dtype));
      body(c, dtype, cos, sin);
    }
}

CudaRopeShape shape_of(const RopeCase& c, at::ScalarType dtype, Turn turn) {
  return {.tokens = c.tokens,
          .width = c.width,
          .half = c.half,
          .is_back = turn == Turn::kBack,
          .element = element_of(dtype)};
}

TEST(RopeCuda, TurnsQueriesAndKeysInPlaceAsTheCpuDoes) {
  at::manual_seed(3);
  for_rope_cases(
      [](const RopeCase& c, at::ScalarType dtype, const at::Tensor& cos, const at::Tensor& sin) {
        for (const Turn turn : {Turn::kForward, Turn::kBack}) {
          at::Tensor queries = heads_on_device(c, c.heads, dtype),
                     keys = heads_on_device(c, c.kv_heads, dtype);
          at::Tensor cpu_queries = queries.clone(), cpu_keys = keys.clone();
          rotate_both_in_place(cpu_queries, cpu_keys, cos, sin, turn);
          ASSERT_EQ(launch_rope(shape_of(c, dtype, turn), turned(queries, queries),
                                turned(keys, keys), cos.data_ptr(), sin.data_ptr(), nullptr),
                    0);
          expect_close(queries, cpu_queries);
          expect_close(keys, cpu_keys);
        }
      });
}

TEST(RopeCuda, TurnsIntoAnotherArrayAndBringsAllChannels) {
  at::manual_seed(4);
  for_rope_cases(
      [](const RopeCase& c, at::ScalarType dtype, const at::Tensor& cos, const at::Tensor& sin) {
        const at::Tensor x = heads_on_device(c, c.heads, dtype);
        const at::Tensor out = empty_on_device({c.tokens, c.heads, c.width}, dtype);
        ASSERT_EQ(launch_rope(shape_of(c, dtype, Turn::kForward), turned(x, out), {},
                              cos.data_ptr(), sin.data_ptr(), nullptr),
                  0);
        expect_close(out, rotated(x, cos, sin, Turn::kForward));
      });
}

TEST(RopeCuda, RefusesNoTokensAndNoHeads) {
  const CudaRopeShape none{.tokens = 0, .width = 8, .half = 4};
  EXPECT_NE(launch_rope(none, {nullptr, nullptr, 1}, {}, nullptr, nullptr, nullptr), 0);
  const CudaRopeShape one{.tokens = 1, .width = 8, .half = 4};
  EXPECT_NE(launch_rope(one, {}, {}, nullptr, nullptr, nullptr), 0);
}

struct GatedCase {
  int64_t rows, columns;
  int64_t gap = 0;  // between rows
  int64_t offset = 0;
};

constexpr GatedCase kGatedCases[] = {{1, 1},     {1, 7},        {3, 16},  {2, 264, 8},
                                     {5, 33, 5}, {2, 40, 8, 1}, {1, 2600}};

at::Tensor gated_rows(const GatedCase& c, at::ScalarType dtype) {
  return on_device(at::randn({c.rows, c.columns + c.gap}).mul_(4).to(dtype), c.offset)
      .narrow(1, 0, c.columns);
}

CudaGated shape_of(const GatedCase& c, at::ScalarType dtype) {
  const int64_t stride = c.columns + c.gap;
  return {{c.rows, c.columns, element_of(dtype), 0}, stride, stride, stride};
}

template <typename Body>
void for_gated_cases(const Body& body) {
  constexpr std::pair<Activation, CudaActivation> kActivations[] = {
      {Activation::kSilu, CudaActivation::kSilu},
      {Activation::kGeluTanh, CudaActivation::kGeluTanh}};
  for (const GatedCase& c : kGatedCases)
    for (const at::ScalarType dtype : kTypes)
      for (const auto& [activation, cuda_activation] : kActivations) {
        SCOPED_TRACE(std::to_string(c.rows) + " x " + std::to_string(c.columns));
        body(c, dtype, activation, cuda_activation);
      }
}

TEST(GatedActivationCuda, ForwardIsTheCpus) {
  at::manual_seed(5);
  for_gated_cases([](const GatedCase& c, at::ScalarType dtype, Activation activation,
                     CudaActivation cuda_activation) {
    const at::Tensor gate = gated_rows(c, dtype), up = gated_rows(c, dtype);
    const at::Tensor expected = gated_activation(gate, up, activation);
    // Into the gate's own place, which is allowed.
    ASSERT_EQ(launch_gated_activation(shape_of(c, dtype), cuda_activation, gate.data_ptr(),
                                      up.data_ptr(), gate.data_ptr(), nullptr),
              0);
    expect_close(gate, expected);
  });
}

TEST(GatedActivationCuda, BackwardInPlaceIsTheCpus) {
  at::manual_seed(6);
  for_gated_cases([](const GatedCase& c, at::ScalarType dtype, Activation activation,
                     CudaActivation cuda_activation) {
    const at::Tensor hidden = gated_rows(c, dtype), gate = gated_rows(c, dtype),
                     up = gated_rows(c, dtype);
    at::Tensor cpu_hidden = hidden.clone(), cpu_gate = gate.clone(), cpu_up = up.clone();
    gated_activation_backward(cpu_hidden, cpu_gate, cpu_up, activation);
    ASSERT_EQ(launch_gated_activation_backward(shape_of(c, dtype), cuda_activation, gate.data_ptr(),
                                               up.data_ptr(), hidden.data_ptr(), nullptr),
              0);
    expect_close(hidden, cpu_hidden);
    expect_close(gate, cpu_gate);
    expect_close(up, cpu_up);
  });
}

TEST(GatedActivationCuda, FarValuesStayFinite) {
  const at::Tensor gate = on_device(at::tensor({-1e4f, -90.0f, 90.0f, 1e4f}).view({1, 4}));
  const at::Tensor up = on_device(at::ones({1, 4})), hidden = empty_on_device({1, 4}, at::kFloat);
  for (const auto activation : {CudaActivation::kSilu, CudaActivation::kGeluTanh}) {
    ASSERT_EQ(launch_gated_activation(shape_of(GatedCase{1, 4}, at::kFloat), activation,
                                      gate.data_ptr(), up.data_ptr(), hidden.data_ptr(), nullptr),
              0);
    expect_close(hidden, at::tensor({0.0f, 0.0f, 90.0f, 1e4f}).view({1, 4}));
  }
}

TEST(EmbeddingCuda, GathersRowsTimesTheFactorAsTheCpuDoes) {
  at::manual_seed(7);
  const at::Tensor ids = on_device(at::tensor({4, 0, 4, 2}, at::kLong));
  for (const int64_t columns : {1, 7, 24, 2600})
    for (const at::ScalarType dtype : kTypes)
      for (const double scale : {1.0, 6.7}) {
        const at::Tensor table = on_device(at::randn({5, columns}).to(dtype));
        const at::Tensor out = empty_on_device({4, columns}, dtype);
        const float factor = at::scalar_tensor(scale, dtype).item<float>();
        ASSERT_EQ(launch_embedding({4, columns, element_of(dtype), 0}, table.data_ptr(), 5,
                                   ids.data_ptr<int64_t>(), factor, out.data_ptr(), nullptr),
                  0);
        EXPECT_TRUE(at::equal(out, embedding(table, ids, {.scale = scale})));
      }
}

TEST(EmbeddingCuda, AnIdOutsideTheTableGivesARowOfNaN) {
  const at::Tensor table = on_device(at::ones({2, 9}));
  const at::Tensor ids = on_device(at::tensor({-1, 1, 2}, at::kLong));
  const at::Tensor out = empty_on_device({3, 9}, at::kFloat);
  ASSERT_EQ(launch_embedding({3, 9, CudaElement::kF32, 0}, table.data_ptr(), 2,
                             ids.data_ptr<int64_t>(), 1.0f, out.data_ptr(), nullptr),
            0);
  EXPECT_TRUE(out[0].isnan().all().item<bool>());
  EXPECT_TRUE(at::equal(out[1], table[1]));
  EXPECT_TRUE(out[2].isnan().all().item<bool>());
}

TEST(Embedding, PadRowGetsNoGradientAndTheFactorIsRoundedFirst) {
  at::manual_seed(8);
  const at::Tensor table = at::randn({3, 4}, at::kBFloat16).requires_grad_(true);
  const at::Tensor ids = at::tensor({1, 2, 1}, at::kLong);
  const at::Tensor out = embedding(table, ids, {.pad_id = 2, .scale = 6.7});
  const at::Tensor factor = at::scalar_tensor(6.7, at::kBFloat16);
  EXPECT_TRUE(at::equal(out, at::embedding(table, ids, 2) * factor));
  out.sum().backward();
  EXPECT_EQ(table.grad()[2].abs().sum().item<double>(), 0.0);
  EXPECT_NE(table.grad()[1].abs().sum().item<double>(), 0.0);
}

}  // namespace
}  // namespace slmtune::kernels
