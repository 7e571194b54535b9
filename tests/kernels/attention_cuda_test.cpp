// The GPU's attention kernels, run by the block emulator, against the CPU's in float64.
#include "kernels/attention/attention_cuda.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "kernels/attention/attention.h"
#include "tests/emulator/device_tensor.h"

namespace slmtune::kernels {
namespace {

using emulator::empty_on_device;
using emulator::on_device;

struct Case {
  int64_t heads, key_heads, width;
  std::vector<int64_t> starts;
  int64_t window;
  double soft_cap;
  int64_t padding = 0;  // numbers between tokens: the inputs are views
};

struct Results {
  at::Tensor out, log_sum, dq, dk, dv;
  std::vector<at::Tensor> all() const { return {out, log_sum, dq, dk, dv}; }
};

// Views of one qkv matrix in the emulator's memory, as a joined projection gives them.
struct Inputs {
  at::Tensor q, k, v, grad;
};

Inputs inputs_of(const Case& c, at::ScalarType dtype) {
  const int64_t tokens = c.starts.back(), parts = c.heads + 2 * c.key_heads;
  const at::Tensor all =
      on_device(at::randn({tokens, parts * c.width + c.padding}, at::kDouble).to(dtype));
  const auto part = [&](int64_t first, int64_t heads) {
    return all.narrow(1, first * c.width, heads * c.width).view({tokens, heads, c.width});
  };
  return {part(0, c.heads), part(c.heads, c.key_heads), part(c.heads + c.key_heads, c.key_heads),
          on_device(at::randn({tokens, c.heads, c.width}, at::kDouble).to(dtype))};
}

AttentionOptions options_of(const Case& c) {
  return {.scale = 0.15, .soft_cap = c.soft_cap, .window = c.window};
}

Results expected(const Case& c, const Inputs& in) {
  const auto wide = [](const at::Tensor& x) { return x.to(at::kDouble); };
  const at::Tensor q = wide(in.q), k = wide(in.k), v = wide(in.v), grad = wide(in.grad);
  const Attended attended = attention_forward(q, k, v, c.starts, options_of(c));
  Results results{attended.out, attended.log_sum, {}, {}, {}};
  attention_backward(grad, q, k, v, attended, c.starts, options_of(c), results.dq, results.dk,
                     results.dv);
  return results;
}

CudaHeads heads_of(const at::Tensor& x) {
  return {x.const_data_ptr(), x.stride(0), x.stride(1)};
}
CudaMutableHeads mutable_heads_of(at::Tensor& x) {
  return {x.mutable_data_ptr(), x.stride(0), x.stride(1)};
}

struct Launchers {
  decltype(&launch_attention_forward) forward;
  decltype(&launch_attention_backward) backward;
};
constexpr Launchers kTiled = {launch_attention_forward, launch_attention_backward};
constexpr Launchers kPlain = {launch_attention_plain_forward, launch_attention_plain_backward};

CudaAttentionCase shape_of(const Case& c, const at::Tensor& offsets, at::ScalarType dtype) {
  return {.offsets = offsets.const_data_ptr<int32_t>(),
          .rows = static_cast<int64_t>(c.starts.size()) - 1,
          .tokens = c.starts.back(),
          .longest = longest_row(c.starts),
          .heads = c.heads,
          .key_heads = c.key_heads,
          .width = c.width,
          .window = c.window,
          .scale = 0.15f,
          .soft_cap = static_cast<float>(c.soft_cap),
          .element = dtype == at::kFloat ? CudaElement::kF32 : CudaElement::kBF16};
}

Results ours(const Case& c, const Inputs& in, const Launchers& launch) {
  const at::ScalarType dtype = in.q.scalar_type();
  const at::Tensor offsets = on_device(at::tensor(c.starts, at::kLong).to(at::kInt));
  const CudaAttentionCase shape = shape_of(c, offsets, dtype);
  const CudaAttentionInputs inputs{heads_of(in.q), heads_of(in.k), heads_of(in.v)};
  Results made{empty_on_device(in.q.sizes(), dtype),
               empty_on_device({c.heads, shape.tokens}, at::kFloat),
               empty_on_device(in.q.sizes(), dtype), empty_on_device(in.k.sizes(), dtype),
               empty_on_device(in.v.sizes(), dtype)};
  const at::Tensor shared = empty_on_device({c.heads, shape.tokens}, at::kFloat);
  EXPECT_EQ(
      launch.forward(shape, inputs, made.out.data_ptr(), made.log_sum.data_ptr<float>(), nullptr),
      0);
  EXPECT_EQ(launch.backward(
                shape, inputs,
                {in.grad.data_ptr(), made.out.data_ptr(), made.log_sum.data_ptr<float>(),
                 shared.data_ptr<float>()},
                {mutable_heads_of(made.dq), mutable_heads_of(made.dk), mutable_heads_of(made.dv)},
                nullptr),
            0);
  return made;
}

void compare(const Case& c, at::ScalarType dtype, const Launchers& launch, double tolerance) {
  SCOPED_TRACE(std::to_string(c.heads) + "/" + std::to_string(c.key_heads) + " heads of " +
               std::to_string(c.width) + ", window " + std::to_string(c.window) + ", cap " +
               std::to_string(c.soft_cap));
  at::manual_seed(31);
  const Inputs in = inputs_of(c, dtype);
  const Results found = ours(c, in, launch), exact = expected(c, in);
  const char* names[] = {"out", "log_sum", "dq", "dk", "dv"};
  for (size_t i = 0; i < 5; ++i) {
    const at::Tensor x = found.all()[i].to(at::kDouble), y = exact.all()[i];
    EXPECT_LE((x - y).norm().item<double>(), tolerance * (0.1 + y.norm().item<double>()))
        << names[i];
  }
}

// Rows longer than a tile, of one token, of none; not a multiple of anything.
const std::vector<int64_t> kRows = {0, 1, 1, 72, 75};
constexpr double kBFloat16Tolerance = 1e-2, kFloatTolerance = 1e-5;

TEST(AttentionTiles, AreTheCpusForHeadsOf64) {
  compare({2, 1, 64, kRows, 0, 4.0}, at::kBFloat16, kTiled, kBFloat16Tolerance);
  compare({2, 2, 64, {0, 67}, 9, 0.7}, at::kBFloat16, kTiled, kBFloat16Tolerance);
}
TEST(AttentionTiles, AreTheCpusForHeadsOf96) {
  compare({1, 1, 96, {0, 35}, 0, 4.0, 8}, at::kBFloat16, kTiled, kBFloat16Tolerance);
}
TEST(AttentionTiles, AreTheCpusForHeadsOf128) {
  compare({2, 1, 128, {0, 33, 66}, 17, 50.0}, at::kBFloat16, kTiled, kBFloat16Tolerance);
}
TEST(AttentionTiles, AreTheCpusForHeadsOf256) {
  compare({2, 1, 256, {0, 1, 35}, 0, 2.0}, at::kBFloat16, kTiled, kBFloat16Tolerance);
  compare({1, 1, 256, {0, 70}, 33, 2.0}, at::kBFloat16, kTiled, kBFloat16Tolerance);
}
TEST(AttentionTiles, AreTheCpusForOneToken) {
  compare({3, 1, 64, {0, 1}, 0, 2.0}, at::kBFloat16, kTiled, kBFloat16Tolerance);
}
TEST(AttentionTiles, AreTheCpusForAWindowOfOneToken) {
  compare({1, 1, 64, {0, 70}, 1, 2.0}, at::kBFloat16, kTiled, kBFloat16Tolerance);
}

TEST(AttentionPlain, IsTheCpusForEveryWidth) {
  for (const int64_t width : {1, 6, 33, 80})
    compare({4, 2, width, {0, 1, 1, 40, 43}, 0, 0.0}, at::kFloat, kPlain, kFloatTolerance);
  compare({1, 1, 256, {0, 5}, 0, 0.0}, at::kFloat, kPlain, kFloatTolerance);
}
TEST(AttentionPlain, HasWindowsAndSoftCaps) {
  for (const int64_t window : {0, 1, 7, 34})
    for (const double soft_cap : {0.0, 1.5})
      compare({3, 1, 6, {0, 40, 45}, window, soft_cap, 1}, at::kFloat, kPlain, kFloatTolerance);
}
TEST(AttentionPlain, TakesBfloat16) {
  compare({4, 2, 12, {0, 1, 38}, 5, 2.0, 1}, at::kBFloat16, kPlain, kBFloat16Tolerance);
}

TEST(AttentionCuda, ANaNReachesTheQueriesThatSeeItAndNoOtherRow) {
  const Case c{1, 1, 64, {0, 20, 40}, 0, 2.0};
  Inputs in = inputs_of(c, at::kBFloat16);
  in.k[12] = std::numeric_limits<float>::quiet_NaN();
  for (const Launchers& launch : {kTiled, kPlain}) {
    const at::Tensor out = ours(c, in, launch).out;
    EXPECT_TRUE(out.slice(0, 12, 20).isnan().all().item<bool>());
    EXPECT_TRUE(out.slice(0, 20, 40).isfinite().all().item<bool>());
  }
}

TEST(AttentionCuda, RefusesWhatItDoesNotTake) {
  const Case c{1, 1, 64, {0, 4}, 0, 2.0};
  const Inputs in = inputs_of(c, at::kBFloat16);
  const at::Tensor offsets = on_device(at::tensor({0, 4}, at::kInt));
  const CudaAttentionInputs inputs{heads_of(in.q), heads_of(in.k), heads_of(in.v)};
  const CudaAttentionCase good = shape_of(c, offsets, at::kBFloat16);
  const auto refuses = [&](CudaAttentionCase shape, CudaAttentionInputs of) {
    return launch_attention_forward(shape, of, nullptr, nullptr, nullptr) != 0 &&
           launch_attention_backward(shape, of, {}, {}, nullptr) != 0;
  };
  CudaAttentionCase shape = good;
  shape.width = 80;
  EXPECT_TRUE(refuses(shape, inputs));
  shape = good;
  shape.soft_cap = 0.0f;
  EXPECT_TRUE(refuses(shape, inputs));
  CudaAttentionInputs odd = inputs;
  odd.k.token_stride = 65;
  EXPECT_TRUE(refuses(good, odd));
  shape = good;
  shape.width = 257;
  EXPECT_NE(launch_attention_plain_forward(shape, inputs, nullptr, nullptr, nullptr), 0);
  EXPECT_NE(launch_attention_plain_backward(shape, inputs, {}, {}, nullptr), 0);
}

}  // namespace
}  // namespace slmtune::kernels
