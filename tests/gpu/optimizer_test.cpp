// Optimiser steps over one flat buffer: norm, clipping and update on the device.
#include "train/optimizer.h"

#include "tests/gpu/comparison.h"

namespace slmtune::gpu_tests {
namespace {

using train::NamedParameters;

struct Rule {
  std::string name;
  double clip_norm, weight_decay;
};

struct Trained {
  NamedParameters parameters;
  std::unique_ptr<train::Optimizer> optimizer;
  std::vector<double> norms;
};

// Names as adapters have them; the second is large enough for moments of 8 bits.
Trained trained_on(at::Device device, const Rule& rule, const Tensors& values) {
  Trained run;
  const char* names[] = {"a.lora_A.weight", "a.lora_B.weight", "b.lora_A.weight"};
  for (size_t i = 0; i < values.size(); ++i)
    run.parameters.emplace_back(names[i],
                                values[i].to(device, at::kFloat, false, true).requires_grad_(true));
  train::TrainConfig config;
  config.optimizer = rule.name;
  config.weight_decay = rule.weight_decay;
  run.optimizer = train::make_optimizer(run.parameters, config);
  return run;
}

void step(Trained& run, const Rule& rule, const Tensors& gradients) {
  run.optimizer->zero_grad();
  for (size_t i = 0; i < gradients.size(); ++i) {
    at::Tensor& parameter = run.parameters[i].second;
    parameter.mutable_grad() = gradients[i].to(parameter.device(), at::kFloat, false, true);
  }
  run.norms.push_back(run.optimizer->step(1e-3, 0.25, rule.clip_norm));
}

const std::vector<Rule> kRules = {
    {"adamw", 0.0, 0.0}, {"adamw", 1.0, 0.1}, {"adamw8bit", 0.0, 0.0}, {"adamw8bit", 1.0, 0.1}};

Tensors three(double deviation) {
  return {fresh({3, 7}, at::kFloat, deviation), fresh({130, 65}, at::kFloat, deviation),
          fresh({1, 4097}, at::kFloat, deviation)};
}

TEST(KernelOptimizer, StepsAreTheCpus) {
  for (const Rule& rule : kRules) {
    SCOPED_TRACE(rule.name + ", clip " + std::to_string(rule.clip_norm));
    const PoisonedMemory poisoned;
    const Tensors values = three(0.1);
    Trained cpu = trained_on(at::kCPU, rule, values);
    Trained gpu = trained_on(setting().device, rule, values);
    for (int i = 0; i < 5; ++i) {
      const Tensors gradients = three(1.0);
      step(cpu, rule, gradients);
      step(gpu, rule, gradients);
      EXPECT_NEAR(gpu.norms.back() / cpu.norms.back(), 1.0, 1e-5);
    }
    // A code of 8 bits may fall to the other side where the two moments differ in their last bit.
    const double tolerance = rule.name == "adamw" ? 1e-5 : 1e-3;
    for (size_t i = 0; i < values.size(); ++i)
      EXPECT_LE(relative_error(gpu.parameters[i].second.detach().cpu() - values[i],
                               cpu.parameters[i].second.detach() - values[i]),
                tolerance)
          << cpu.parameters[i].first;
  }
}

TEST(KernelOptimizer, AGradientThatIsNotANumberChangesNothing) {
  for (const Rule& rule : kRules) {
    const Tensors values = three(0.1);
    Trained gpu = trained_on(setting().device, rule, values);
    Tensors gradients = three(1.0);
    gradients[1][129][64] = NAN;
    step(gpu, rule, gradients);
    EXPECT_FALSE(std::isfinite(gpu.norms.back()));
    for (size_t i = 0; i < values.size(); ++i)
      EXPECT_TRUE(at::equal(gpu.parameters[i].second.detach().cpu(), values[i]));
  }
}

}  // namespace
}  // namespace slmtune::gpu_tests
