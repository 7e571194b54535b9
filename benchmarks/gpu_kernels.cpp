// Rates of the GPU kernels, each as a share of its bound: the bytes that must be moved at the rate
// of a large copy on this card, or the operations at the rate of an 8192 x 8192 x 8192 product in
// bfloat16, both measured first.
//
//   build/cuda/gpu_kernels [--json FILE] [--milliseconds N] [--filter WORD]
//   build/dev/gpu_kernels --dry-run      the same calls on the CPU at a fraction of the size
//
// Times are those of CUDA events around enough calls to hide their launch; inputs are random and
// rotate, so that none comes from the cache. The table goes to stdout. Exit status: 0, 64 for a
// wrong option, 69 without a GPU.
#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json.h"
#include "kernels/cross_entropy/cross_entropy.h"
#include "kernels/cuda/cuda_module.h"
#include "kernels/device.h"
#include "kernels/embedding/embedding.h"
#include "kernels/gated_activation/gated_activation.h"
#include "kernels/quant/frozen_weight.h"
#include "kernels/rms_norm/rms_norm.h"
#include "kernels/rope/rope.h"
#include "models/blocks/packed_attention.h"
#include "train/optimizer.h"

namespace {

using namespace slmtune;
using Call = std::function<void()>;
using MakeCall = std::function<Call()>;  // with inputs of its own

struct Options {
  std::string json, filter;
  double milliseconds = 150.0;  // of measuring per kernel
  bool dry_run = false;
};

struct Row {
  std::string name, shape;
  double bytes = 0, operations = 0;  // of one call
  double seconds = 0;
};

// Seconds between two places of the device's queue.
class Stopwatch {
 public:
  explicit Stopwatch(at::Device device) : device_(device) {}
  double seconds(const Call& work) const {
    if (device_.is_cpu()) {
      const auto started = std::chrono::steady_clock::now();
      work();
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    }
    const c10::impl::VirtualGuardImpl guard(device_.type());
    const c10::Stream stream = guard.getStream(device_);
    c10::Event first(device_.type(), c10::EventFlag::BACKEND_DEFAULT);
    c10::Event last(device_.type(), c10::EventFlag::BACKEND_DEFAULT);
    first.record(stream);
    work();
    last.record(stream);
    last.synchronize();
    return first.elapsedTime(last) * 1e-3;
  }

 private:
  at::Device device_;
};

class Bench {
 public:
  Bench(const Options& options, at::Device on) : device(on), options_(options), watch_(on) {}

  // Inputs: random numbers of bfloat16 unless told otherwise.
  at::Tensor random(at::IntArrayRef shape, at::ScalarType dtype = at::kBFloat16) const {
    return (at::randn(shape, at::TensorOptions(device).dtype(at::kFloat)) * 0.02).to(dtype);
  }
  // Sizes of real models, or a fraction of them.
  int64_t size(int64_t wanted) const {
    return options_.dry_run ? std::max<int64_t>(16, wanted / 64) : wanted;
  }

  void add(const std::string& name, const std::string& shape, double bytes, double operations,
           const MakeCall& make) {
    if (name.find(options_.filter) == std::string::npos) return;
    rows.push_back({name, shape, bytes, operations, median_seconds(bytes, make)});
    print(rows.back());
  }

  // Share of the bound, 0 where it is not known.
  double share(const Row& row) const {
    if (row.operations > 0)
      return operations_rate > 0 ? row.operations / row.seconds / operations_rate : 0;
    return copy_rate > 0 ? row.bytes / row.seconds / copy_rate : 0;
  }

  at::Device device;
  std::vector<Row> rows;
  double copy_rate = 0, operations_rate = 0;  // bytes and operations per second

 private:
  double median_seconds(double bytes, const MakeCall& make) const {
    constexpr double kMoreThanAnyCache = 256e6;
    const int sets =
        options_.dry_run
            ? 1
            : std::clamp(static_cast<int>(kMoreThanAnyCache / std::max(bytes, 1.0)), 1, 8);
    std::vector<Call> calls;
    for (int i = 0; i < sets; ++i) calls.push_back(make());
    size_t next = 0;
    const auto run = [&](int count) {
      for (int i = 0; i < count; ++i) calls[next++ % calls.size()]();
    };
    watch_.seconds([&] { run(2 * sets); });  // loads the kernels
    const double one = std::max(1e-7, watch_.seconds([&] { run(sets); }) / sets);
    const double budget = options_.dry_run ? 1e-3 : options_.milliseconds * 1e-3;
    const int group = std::clamp(static_cast<int>(2e-3 / one), 1, 1000);
    const int groups = std::clamp(static_cast<int>(budget / (one * group)), 3, 50);
    std::vector<double> seconds;
    for (int i = 0; i < groups; ++i) seconds.push_back(watch_.seconds([&] { run(group); }) / group);
    std::nth_element(seconds.begin(), seconds.begin() + groups / 2, seconds.end());
    return seconds[static_cast<size_t>(groups / 2)];
  }

  void print(const Row& row) const {
    const bool computes = row.operations > 0;
    const double rate = (computes ? row.operations : row.bytes) / row.seconds;
    std::cout << fmt::format("| {} | {} | {:.1f} | {:.0f} {} | {:.0f} % |\n", row.name, row.shape,
                             row.seconds * 1e6, rate * (computes ? 1e-12 : 1e-9),
                             computes ? "TFLOP/s" : "GB/s", 100.0 * share(row))
              << std::flush;
  }

  const Options& options_;
  Stopwatch watch_;
};

std::string text(const std::vector<int64_t>& sizes) {
  return fmt::format("{}", fmt::join(sizes, " x "));
}

void add_ceilings(Bench& bench) {
  const int64_t count = bench.size(1 << 14) * bench.size(1 << 15), side = bench.size(8192);
  bench.add("copy", text({count}), 4.0 * static_cast<double>(count), 0, [&, count] {
    const at::Tensor from = bench.random({count}), to = at::empty_like(from);
    return [from, to] { to.copy_(from); };
  });
  const double cube =
      static_cast<double>(side) * static_cast<double>(side) * static_cast<double>(side);
  bench.add("product", text({side, side, side}), 0, 2.0 * cube, [&, side] {
    const at::Tensor a = bench.random({side, side}), b = bench.random({side, side});
    at::Tensor out = at::empty_like(a);
    return [a, b, out]() mutable { at::mm_out(out, a, b); };
  });
  for (const Row& row : bench.rows)
    (row.name == "copy" ? bench.copy_rate : bench.operations_rate) =
        (row.name == "copy" ? row.bytes : row.operations) / row.seconds;
}

// [out, in] of Qwen2.5-1.5B, Llama-3.1-8B and Qwen2.5-7B.
constexpr std::pair<int64_t, int64_t> kMatrices[] = {
    {1536, 1536}, {8960, 1536}, {4096, 4096}, {14336, 4096}, {18944, 3584}};

void add_weights(Bench& bench) {
  for (const auto& [wanted_out, wanted_in] : kMatrices) {
    const int64_t out = bench.size(wanted_out), in = bench.size(wanted_in);
    const auto numbers = static_cast<double>(out * in);
    for (const char* format : {"nf4", "int8"}) {
      const kernels::MakeFrozenWeight make = kernels::quant_format(format);
      const double stored = format == std::string("nf4") ? 0.5159 : 1.0;
      bench.add(
          std::string("dequantise ") + format, text({out, in}), numbers * (stored + 2.0), 0,
          [&, out, in] {
            const std::shared_ptr<kernels::FrozenWeight> weight = make(bench.random({out, in}));
            return [weight] { weight->dense(at::kBFloat16); };
          });
      bench.add(std::string("quantise ") + format, text({out, in}), numbers * (stored + 2.0), 0,
                [&, out, in] {
                  const at::Tensor dense = bench.random({out, in});
                  return [make, dense] { make(dense); };
                });
    }
    for (const int64_t wanted_tokens : {512, 2048, 4096, 8192}) {
      const int64_t tokens = bench.size(wanted_tokens);
      for (const char* format : {"none", "nf4"})
        bench.add(std::string("linear ") + format, text({tokens, out, in}), 0,
                  2.0 * static_cast<double>(tokens) * numbers, [&, out, in, tokens] {
                    const std::shared_ptr<kernels::FrozenWeight> weight =
                        kernels::quant_format(format)(bench.random({out, in}));
                    const at::Tensor x = bench.random({tokens, in});
                    return [weight, x] { weight->matmul(x); };
                  });
    }
  }
}

constexpr int64_t kTokens = 4096;

void add_norms(Bench& bench) {
  for (const int64_t wanted : {1536, 4096}) {
    const int64_t tokens = bench.size(kTokens), width = bench.size(wanted);
    const double one = 2.0 * static_cast<double>(tokens * width);  // bytes of a matrix
    const auto matrix = [&bench, tokens, width] { return bench.random({tokens, width}); };
    const std::string shape = text({tokens, width});
    bench.add("rms_norm", shape, 2 * one, 0, [&bench, matrix, width] {
      at::Tensor x = matrix(), weight = bench.random({width});
      return [x, weight] { kernels::rms_norm_forward(x, weight, 1e-6); };
    });
    bench.add("residual add + rms_norm", shape, 4 * one, 0, [&bench, matrix, width] {
      at::Tensor x = matrix(), addend = matrix(), weight = bench.random({width});
      return [x, addend, weight]() mutable { kernels::add_rms_norm(x, addend, weight, 1e-6); };
    });
    bench.add("rms_norm backward + add", shape, 4 * one, 0, [&bench, matrix, width] {
      at::Tensor base = matrix(), gradient = matrix(), x = matrix();
      at::Tensor weight = bench.random({width});
      at::Tensor scale = kernels::rms_norm_forward(x, weight, 1e-6).scale;
      return [=] { kernels::rms_norm_backward_on(base, gradient, x, weight, scale); };
    });
    // x needs no gradient: the forward pass and the sums over all rows.
    bench.add("rms_norm, its weight trains", shape, 4 * one, 0, [&bench, matrix, width] {
      at::Tensor x = matrix(), gradient = matrix();
      at::Tensor weight = bench.random({width}).requires_grad_(true);
      return [=] { kernels::rms_norm(x, weight, 1e-6).backward(gradient); };
    });
    bench.add("embedding", shape, 2 * one, 0, [&bench, tokens, width] {
      const int64_t rows = bench.size(1 << 15);
      const at::Tensor table = bench.random({rows, width});
      const at::Tensor ids =
          at::arange(tokens, at::device(bench.device).dtype(at::kLong)).mul_(7919).remainder_(rows);
      return [table, ids] { kernels::embedding(table, ids, {}); };
    });
  }
}

void add_activations(Bench& bench) {
  using kernels::Activation;
  const int64_t tokens = bench.size(kTokens), inner = bench.size(14336);
  const double one = 2.0 * static_cast<double>(tokens * inner);
  const auto matrix = [&bench, tokens, inner] { return bench.random({tokens, inner}); };
  for (const auto& [name, activation] :
       {std::pair{"swiglu", Activation::kSilu}, std::pair{"geglu", Activation::kGeluTanh}}) {
    bench.add(name, text({tokens, inner}), 3 * one, 0, [=, activation = activation] {
      at::Tensor gate = matrix(), up = matrix(), out = at::empty_like(gate);
      return [=]() mutable { kernels::gated_activation_into(out, gate, up, activation); };
    });
    bench.add(std::string(name) + " backward", text({tokens, inner}), 6 * one, 0,
              [=, activation = activation] {
                at::Tensor grad = matrix(), gate = matrix(), up = matrix();
                return [=]() mutable {
                  kernels::gated_activation_backward(grad, gate, up, activation);
                };
              });
  }
  const int64_t heads = 40, head = bench.size(128);
  const double turned = 2.0 * static_cast<double>(tokens * heads * head);
  bench.add("rope", text({tokens, heads, head}), 2 * turned, 0, [&bench, tokens, heads, head] {
    at::Tensor x = bench.random({tokens, heads, head});
    at::Tensor cos = bench.random({tokens, head / 2}), sin = bench.random({tokens, head / 2});
    return [=]() mutable { kernels::rotate_in_place(x, cos, sin, kernels::Turn::kForward); };
  });
}

void add_loss(Bench& bench) {
  const int64_t rows = bench.size(1024), vocabulary = bench.size(151936);
  for (const double soft_cap : {0.0, 30.0})
    bench.add(soft_cap > 0 ? "cross-entropy, soft-cap" : "cross-entropy", text({rows, vocabulary}),
              6.0 * static_cast<double>(rows * vocabulary), 0,
              [&bench, rows, vocabulary, soft_cap] {
                at::Tensor logits = bench.random({rows, vocabulary});
                const at::Tensor targets =
                    at::arange(rows, at::TensorOptions(bench.device).dtype(at::kLong));
                return [logits, targets, soft_cap]() mutable {
                  kernels::cross_entropy_in_place(logits, targets, soft_cap);
                };
              });
}

// Two rows of 2,048; forward 2·T·Q·tokens, backward 5·T·Q·tokens at half for causality.
void add_attention(Bench& bench, int64_t heads, int64_t keys, int64_t head, double soft_cap) {
  const int64_t row = bench.size(2048), tokens = 2 * row;
  const std::vector<int64_t> starts = {0, row, tokens};
  const models::AttentionOptions options = {.scale = 0.1, .soft_cap = soft_cap};
  const double work =
      static_cast<double>(row) * static_cast<double>(heads * head) * static_cast<double>(tokens);
  const auto random = [&bench, tokens, head](int64_t count) {
    return bench.random({tokens, count, head});
  };
  const std::string name = soft_cap > 0 ? "attention, soft-cap" : "attention";
  const std::string shape = fmt::format("2 x {}, {}/{} heads of {}", row, heads, keys, head);
  bench.add(name, shape, 0, 2.0 * work, [=] {
    const at::Tensor q = random(heads), k = random(keys), v = random(keys);
    return [=] {
      const at::NoGradGuard no_gradients;
      models::packed_attention(q, k, v, starts, options);
    };
  });
  bench.add(name + ", both passes", shape, 0, 7.0 * work, [=] {
    const at::Tensor q = random(heads).requires_grad_(true), k = random(keys).requires_grad_(true);
    const at::Tensor v = random(keys).requires_grad_(true), gradient = random(heads);
    return [=] { models::packed_attention(q, k, v, starts, options).backward(gradient); };
  });
}

// The adapters of Qwen2.5-1.5B at rank 16: values, gradients, moments; the norm reads gradients
// once more.
void add_optimisers(Bench& bench) {
  const int64_t count = bench.size(1 << 12) * bench.size(4608);
  for (const auto& [rule, bytes] : {std::pair{"adamw", 32.0}, std::pair{"adamw8bit", 20.0}})
    bench.add(rule, text({count}), bytes * static_cast<double>(count), 0,
              [&bench, count, rule = rule] {
                at::Tensor values = bench.random({count}, at::kFloat).requires_grad_(true);
                train::TrainConfig config;
                config.optimizer = rule;
                std::shared_ptr<train::Optimizer> optimizer =
                    train::make_optimizer({{"a.lora_A.weight", values}}, config);
                values.mutable_grad().copy_(bench.random({count}, at::kFloat));
                return [optimizer] { optimizer->step(1e-4, 1.0, 1.0); };
              });
}

void write_json(const Bench& bench, const std::string& gpu, const std::string& file) {
  OrderedJson rows = OrderedJson::array();
  for (const Row& row : bench.rows)
    rows.push_back({{"name", row.name},
                    {"shape", row.shape},
                    {"microseconds", row.seconds * 1e6},
                    {"bytes", row.bytes},
                    {"operations", row.operations},
                    {"share_of_bound", bench.share(row)}});
  write_file(file, OrderedJson{{"gpu", gpu},
                               {"copy_bytes_per_second", bench.copy_rate},
                               {"bf16_operations_per_second", bench.operations_rate},
                               {"kernels", rows}}
                           .dump(1) +
                       "\n");
}

void run(const Options& options) {
  const kernels::DeviceChoice choice =
      kernels::choose_device(options.dry_run ? "cpu" : "cuda", "bfloat16");
  std::cout << choice.line
            << "\n\n| kernel | shape | µs | rate | share of its bound |\n|---|---|---|---|---|\n";
  Bench bench(options, choice.device);
  add_ceilings(bench);
  add_weights(bench);
  add_norms(bench);
  add_activations(bench);
  add_loss(bench);
  add_attention(bench, 32, 8, bench.size(128), 0.0);
  add_attention(bench, 12, 2, bench.size(128), 0.0);
  add_attention(bench, 8, 4, bench.size(256), 50.0);
  add_optimisers(bench);
  if (!options.json.empty()) write_json(bench, choice.line, options.json);
}

Options parse(const std::vector<std::string>& words) {
  Options options;
  for (size_t i = 0; i < words.size(); ++i) {
    const auto value = [&] {
      if (i + 1 == words.size()) throw UserError("U003", words[i], "a value is missing");
      return words[++i];
    };
    if (words[i] == "--dry-run")
      options.dry_run = true;
    else if (words[i] == "--json")
      options.json = value();
    else if (words[i] == "--filter")
      options.filter = value();
    else if (words[i] == "--milliseconds")
      options.milliseconds = std::stod(value());
    else
      throw UserError("U001", words[i], "unknown option");
  }
  return options;
}

}  // namespace

int main(int count, char** words) {
  try {
    kernels::prepare_process();
    run(parse({words + 1, words + count}));
    return 0;
  } catch (const Error& error) {
    std::cerr << error.what() << "\n";
    return static_cast<int>(error.exit_code());
  } catch (const std::exception& error) {
    std::cerr << "gpu_kernels: " << error.what() << "\n";
    return 70;
  }
}
