// Rates of the CPU kernels on all threads that the machine has.
//
//   cmake --build --preset release && build/release/benchmarks/kernel_benchmark
//   ... --benchmark_filter=nf4
//
// items_per_second: weights, or numbers of the input. bytes_per_second: what must be read and
// written at least; `fill` and `copy` are the machine's own rates for that, of buffers of the same
// size.
#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include <map>
#include <string>

#include "kernels/cross_entropy/cross_entropy.h"
#include "kernels/device.h"
#include "kernels/gated_activation/gated_activation.h"
#include "kernels/quant/frozen_weight.h"
#include "kernels/quant/quantised_weight.h"
#include "kernels/rms_norm/rms_norm.h"

namespace {

using namespace slmtune::kernels;
using benchmark::State;

// A feed-forward matrix of Qwen2.5-0.5B, and of a 7B model: one fits a cache, the other does not.
constexpr int64_t kSmall[] = {4864, 896}, kLarge[] = {11008, 4096};

at::Tensor random(at::IntArrayRef shape, at::ScalarType dtype) {
  at::manual_seed(1);
  return (at::randn(shape) * 0.02).to(dtype);
}

void count(State& state, int64_t items, double bytes_each) {
  state.SetItemsProcessed(state.iterations() * items);
  state.SetBytesProcessed(
      static_cast<int64_t>(static_cast<double>(state.iterations() * items) * bytes_each));
}

void fill(State& state, at::IntArrayRef shape, at::ScalarType dtype) {
  at::Tensor out = at::empty(shape, dtype);
  for (auto _ : state) out.fill_(1.0);
  count(state, out.numel(), static_cast<double>(out.element_size()));
}

void copy(State& state, at::IntArrayRef shape, at::ScalarType dtype) {
  const at::Tensor from = random(shape, dtype);
  at::Tensor to = at::empty(shape, dtype);
  for (auto _ : state) to.copy_(from);
  count(state, to.numel(), 2.0 * static_cast<double>(to.element_size()));
}

void dequantise(State& state, const std::string& format, at::IntArrayRef shape,
                at::ScalarType dtype) {
  const auto weight = quant_format(format)(random(shape, at::kFloat));
  const auto& quantised = static_cast<const QuantisedWeight&>(*weight);
  for (auto _ : state) benchmark::DoNotOptimize(quantised.written_out(dtype).const_data_ptr());
  const auto stored =
      static_cast<double>(weight->bytes()) / static_cast<double>(shape[0] * shape[1]);
  count(state, shape[0] * shape[1], stored + static_cast<double>(c10::elementSize(dtype)));
}

void quantise(State& state, const std::string& format, at::IntArrayRef shape,
              at::ScalarType dtype) {
  const at::Tensor dense = random(shape, dtype);
  const MakeFrozenWeight make = quant_format(format);
  for (auto _ : state) benchmark::DoNotOptimize(make(dense)->bytes());
  count(state, dense.numel(), static_cast<double>(dense.element_size()) + 0.516);
}

void norm(State& state, at::ScalarType dtype) {
  const at::Tensor x = random({2048, 896}, dtype), weight = random({896}, dtype);
  for (auto _ : state) benchmark::DoNotOptimize(rms_norm(x, weight, 1e-6).const_data_ptr());
  count(state, x.numel(), 2.0 * static_cast<double>(x.element_size()));
}

void cross_entropy_of_a_chunk(State& state, at::ScalarType dtype) {
  const at::Tensor source = random({128, 151'936}, dtype);
  const at::Tensor targets = at::arange(128, at::kLong);
  at::Tensor logits = at::empty_like(source);
  for (auto _ : state) {
    state.PauseTiming();
    logits.copy_(source);
    state.ResumeTiming();
    benchmark::DoNotOptimize(cross_entropy_in_place(logits, targets, 0.0).const_data_ptr());
  }
  count(state, source.numel(), 3.0 * static_cast<double>(source.element_size()));
}

void gate(State& state, at::ScalarType dtype, Activation activation) {
  const at::Tensor g = random({2048, 4864}, dtype), up = random({2048, 4864}, dtype);
  at::Tensor out = at::empty_like(g);
  for (auto _ : state) gated_activation_into(out, g, up, activation);
  count(state, g.numel(), 3.0 * static_cast<double>(g.element_size()));
}

void gate_backward(State& state, at::ScalarType dtype, Activation activation) {
  at::Tensor g = random({2048, 4864}, dtype), up = random({2048, 4864}, dtype);
  at::Tensor grad = random({2048, 4864}, dtype);
  for (auto _ : state) {
    gated_activation_backward(grad, g, up, activation);
    benchmark::ClobberMemory();
  }
  count(state, g.numel(), 6.0 * static_cast<double>(g.element_size()));
}

void add(const std::string& name, const std::function<void(State&)>& body) {
  benchmark::RegisterBenchmark(name.c_str(), body)->UseRealTime()->Unit(benchmark::kMillisecond);
}

void add_all() {
  const std::map<std::string, at::IntArrayRef> shapes = {{"4864x896", kSmall},
                                                         {"11008x4096", kLarge}};
  const std::map<std::string, at::ScalarType> types = {{"float32", at::kFloat},
                                                       {"bfloat16", at::kBFloat16}};
  for (const auto& [type_name, type] : types) {
    for (const auto& [shape_name, shape] : shapes) {
      const std::string end = "/" + type_name + "/" + shape_name;
      const auto each = [&, type = type, shape = shape](const std::string& name, auto body) {
        add(name + end, [=](State& state) { body(state, shape, type); });
      };
      each("fill", fill);
      each("copy", copy);
      for (const char* format : {"nf4", "int8"}) {
        each(std::string("dequantise_") + format,
             [format](State& s, at::IntArrayRef of, at::ScalarType t) {
               dequantise(s, format, of, t);
             });
        each(std::string("quantise_") + format,
             [format](State& s, at::IntArrayRef of, at::ScalarType t) {
               quantise(s, format, of, t);
             });
      }
    }
    const auto one = [&, type = type](const std::string& name, auto body) {
      add(name + "/" + type_name, [=](State& state) { body(state, type); });
    };
    one("rms_norm/2048x896", norm);
    one("cross_entropy_in_place/128x151936", cross_entropy_of_a_chunk);
    for (const auto& [name, activation] :
         {std::pair{"silu", Activation::kSilu}, std::pair{"gelu_tanh", Activation::kGeluTanh}}) {
      const std::string end = std::string("_") + name + "/2048x4864";
      one("gate" + end,
          [activation = activation](State& s, at::ScalarType t) { gate(s, t, activation); });
      one("gate_backward" + end, [activation = activation](State& s, at::ScalarType t) {
        gate_backward(s, t, activation);
      });
    }
  }
}

}  // namespace

int main(int count, char** words) {
  slmtune::kernels::prepare_process();
  add_all();
  benchmark::Initialize(&count, words);
  if (benchmark::ReportUnrecognizedArguments(count, words)) return 64;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
