#include "train/machine_probe.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "core/log.h"
#include "kernels/matmul/product.h"
#include "kernels/quant/frozen_weight.h"

namespace slmtune::train {
namespace {

// Values between −1 and 1 without a pattern that a kernel could gain from: fractions of multiples
// of the golden ratio, again and again after a number of them that no matrix is wide.
at::Tensor some_values(at::IntArrayRef shape, at::Device device, at::ScalarType dtype) {
  constexpr int64_t kPeriod = 1'048'573;  // a prime
  const int64_t count = c10::multiply_integers(shape);
  const at::Tensor once =
      at::arange(std::min(count, kPeriod), at::device(device).dtype(at::kDouble))
          .mul_(0.6180339887498949)
          .frac_()
          .mul_(2)
          .sub_(1)
          .to(dtype);
  return once.repeat((count + kPeriod - 1) / kPeriod).narrow(0, 0, count).view(shape);
}

// Reading a value waits for everything that the device was given before.
void wait_for(const at::Tensor& tensor) {
  tensor.flatten()[0].item();
}

// Mean seconds of `work`, which writes `result`: once to warm up, then in growing groups until
// about `seconds` are over. The last group counts.
double seconds_of(const std::function<void()>& work, const at::Tensor& result, double seconds) {
  work();
  wait_for(result);
  const double begun = now_seconds();
  for (int64_t group = 1;; group *= 2) {
    const double started = now_seconds();
    for (int64_t i = 0; i < group; ++i) work();
    wait_for(result);
    const double ended = now_seconds(), took = ended - started;
    // The next group takes twice as long.
    if (ended - begun + 2 * took > seconds) return took / static_cast<double>(group);
  }
}

struct Shape {
  int64_t in, out, count;  // of all layers
};

// Shapes of the layers' linears, those with the most work first.
std::vector<Shape> shapes_of(const ModelSizes& sizes, int64_t most) {
  std::map<std::pair<int64_t, int64_t>, int64_t> counts;
  for (const LinearSize& linear : sizes.linears) ++counts[{linear.in, linear.out}];
  std::vector<Shape> shapes;
  for (const auto& [shape, count] : counts) shapes.push_back({shape.first, shape.second, count});
  std::stable_sort(shapes.begin(), shapes.end(), [](const Shape& a, const Shape& b) {
    return a.in * a.out * a.count > b.in * b.out * b.count;
  });
  shapes.resize(std::min(shapes.size(), static_cast<size_t>(most)));
  return shapes;
}

// Of x·Wᵀ, which forward passes do, and of dY·W by their work.
double layers_rate(const ModelSizes& sizes, const Probe& probe, double seconds) {
  const int64_t rows = std::clamp<int64_t>(probe.tokens, 16, 4096);
  const std::vector<Shape> shapes = shapes_of(sizes, probe.layer_products);
  const double share = seconds / static_cast<double>(2 * shapes.size());
  double work = 0, time = 0;
  for (const Shape& shape : shapes) {
    const at::Tensor x = some_values({rows, shape.in}, probe.device, probe.dtype);
    const at::Tensor w = some_values({shape.out, shape.in}, probe.device, probe.dtype);
    at::Tensor y = some_values({rows, shape.out}, probe.device, probe.dtype);
    at::Tensor grad = at::empty_like(x);
    const auto forward = [&] { kernels::product_into(y, x, w.t()); };
    const auto backward = [&] { kernels::product_into(grad, y, w); };
    const auto count = static_cast<double>(shape.count);
    time += count * (seconds_of(backward, grad, share) + seconds_of(forward, y, share));
    work += count * 4.0 * static_cast<double>(rows * shape.in * shape.out);
  }
  return work / time;
}

// Bytes read and written per second.
double copy_rate(const Probe& probe, double seconds) {
  const int64_t bytes = int64_t{probe.device.is_cpu() ? 8 : 256} << 20;
  const at::Tensor from = at::zeros({bytes / 4}, at::device(probe.device).dtype(at::kFloat));
  const at::Tensor to = at::empty_like(from);
  return 2.0 * static_cast<double>(bytes) / seconds_of([&] { to.copy_(from); }, to, seconds);
}

// Values per second of the largest matrix.
double dequantise_rate(const ModelSizes& sizes, const Probe& probe, double seconds) {
  const LinearSize& largest = *std::max_element(
      sizes.linears.begin(), sizes.linears.end(),
      [](const LinearSize& a, const LinearSize& b) { return a.values() < b.values(); });
  const auto weight = kernels::quant_format(probe.quant)(
      some_values({largest.out, largest.in}, probe.device, probe.dtype));
  at::Tensor written = weight->dense(probe.dtype);
  const double each = seconds_of([&] { written = weight->dense(probe.dtype); }, written, seconds);
  return static_cast<double>(largest.values()) / each;
}

// Input linears of a half of a layer, which share x and u.
using Inputs = std::vector<LinearSize>;

std::vector<Inputs> first_layers_inputs(const ModelSizes& sizes) {
  std::vector<Inputs> halves(2);
  for (const LinearSize& linear : sizes.linears) {
    const bool is_output = linear.name.ends_with(".o_proj") || linear.name.ends_with(".down_proj");
    if (linear.name.find("layers.0.") == std::string::npos || is_output) continue;
    const bool is_mlp = linear.name.find(".mlp.") != std::string::npos;
    halves[is_mlp ? 1 : 0].push_back(linear);
  }
  return halves;
}

// Seconds of the products of one half with an adapter on each, as fused_half.cpp forms them.
struct LowRankSeconds {
  double added = 0, joined = 0;
};

LowRankSeconds low_rank_seconds(const Inputs& inputs, const Probe& probe, double seconds) {
  const int64_t rows = std::clamp<int64_t>(probe.tokens, 16, 4096), in = inputs.front().in;
  const int64_t ranks = probe.rank * static_cast<int64_t>(inputs.size());
  const int64_t room = (ranks + 7) / 8 * 8;
  const auto made = [&](int64_t first, int64_t second) {
    return some_values({first, second}, probe.device, probe.dtype);
  };
  const at::Tensor x = made(rows, in), u = made(rows, ranks), both = made(rows, in + room);
  const double share = seconds / static_cast<double>(2 * inputs.size());
  LowRankSeconds total;
  for (const LinearSize& linear : inputs) {
    const at::Tensor whole = made(linear.out, in + room), weight = made(linear.out, in);
    const at::Tensor b = made(linear.out, probe.rank).to(at::kFloat);
    at::Tensor y = at::empty({rows, linear.out}, x.options());
    const auto added = [&] {
      at::mm_out(y, x, weight.t());
      kernels::add_product(y, u.narrow(1, 0, probe.rank), b.to(probe.dtype).t());
    };
    const auto joined = [&] {
      // x and u are put together once for all inputs; here each of them pays for its part.
      const at::Tensor part =
          at::empty({rows / static_cast<int64_t>(inputs.size()), in + room}, x.options());
      part.narrow(1, 0, in).copy_(x.narrow(0, 0, part.size(0)));
      whole.slice(1, in).zero_();
      whole.narrow(1, in, probe.rank).copy_(b);
      at::mm_out(y, both, whole.t());
    };
    total.added += seconds_of(added, y, share);
    total.joined += seconds_of(joined, y, share);
  }
  return total;
}

// By more than what one measurement differs from the next.
bool joining_is_faster(const ModelSizes& sizes, const Probe& probe, double seconds) {
  constexpr double kLeast = 0.98;
  LowRankSeconds all;
  const std::vector<Inputs> halves = first_layers_inputs(sizes);
  for (const Inputs& inputs : halves) {
    if (inputs.empty()) return false;
    const LowRankSeconds of_half =
        low_rank_seconds(inputs, probe, seconds / static_cast<double>(halves.size()));
    all.added += of_half.added;
    all.joined += of_half.joined;
  }
  return all.joined < kLeast * all.added;
}

}  // namespace

double product_rate(int64_t rows, int64_t in, int64_t out, at::Device device, at::ScalarType dtype,
                    double seconds) {
  const at::NoGradGuard no_graph;
  const at::Tensor x = some_values({rows, in}, device, dtype);
  const at::Tensor w = some_values({in, out}, device, dtype);
  at::Tensor y = at::empty({rows, out}, x.options());
  const double each = seconds_of([&] { kernels::product_into(y, x, w); }, y, seconds);
  return 2.0 * static_cast<double>(rows) * static_cast<double>(in) * static_cast<double>(out) /
         each;
}

double peak_rate(at::Device device, at::ScalarType dtype, double seconds) {
  if (device.is_cpu()) return product_rate(512, 2048, 2048, device, dtype, seconds);
  constexpr int64_t kSide = 8192;
  return product_rate(kSide, kSide, kSide, device, dtype, seconds);
}

MachineRates probe_machine(const ModelSizes& sizes, const Probe& probe) {
  const at::NoGradGuard no_graph;
  const bool is_short = probe.quant != "none";
  const bool with_layers = probe.layer_products > 0;
  const bool with_adapters = is_short && probe.rank > 0;
  // Parts of the time: the peak one, copies one, weights one, adapters one, layers two.
  const double part = probe.seconds / (2.0 + (is_short ? 1.0 : 0.0) + (with_adapters ? 1.0 : 0.0) +
                                       (with_layers ? 2.0 : 0.0));
  MachineRates rates;
  rates.peak = peak_rate(probe.device, probe.dtype, part);
  rates.layers = with_layers ? layers_rate(sizes, probe, 2 * part) : rates.peak;
  rates.copy = copy_rate(probe, part);
  if (is_short) rates.dequantise = dequantise_rate(sizes, probe, part);
  if (with_adapters) rates.joins_low_rank = joining_is_faster(sizes, probe, part);
  return rates;
}

}  // namespace slmtune::train
