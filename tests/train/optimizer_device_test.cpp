// Steps that run on the device: the optimisers' own code with the kernels of adamw.cu under the
// block emulator, against the same steps on the CPU. The same bits, in checkpoints too.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "kernels/adamw/adamw_cuda.h"
#include "tests/emulator/device_allocator.h"
#include "train/adamw8bit.h"
#include "train/optimizer.h"

namespace slmtune::train {
namespace {

using emulator::DeviceTensors;

constexpr kernels::CudaAdamW kEmulated = {kernels::adamw_norm_pieces, kernels::launch_adamw_judge,
                                          kernels::launch_adamw_update,
                                          kernels::launch_adamw_update_8bit};

NamedParameters parameters() {
  at::manual_seed(3);
  NamedParameters made;
  for (const auto& [name, shape] :
       std::vector<std::pair<std::string, std::vector<int64_t>>>{{"q.lora_A.weight", {70, 100}},
                                                                 {"q.lora_B.weight", {3, 41}},
                                                                 {"v.lora_A.weight", {16, 256}},
                                                                 {"v.lora_B.weight", {4095}},
                                                                 {"norm", {5}}})
    made.emplace_back(name, at::randn(shape).requires_grad_(true));
  return made;
}

TrainConfig config_of(const std::string& optimizer) {
  TrainConfig config;
  config.optimizer = optimizer;
  config.weight_decay = 0.1;
  config.plus_ratio = 4.0;
  return config;
}

std::unique_ptr<Optimizer> on_device(const std::string& name, const NamedParameters& parameters) {
  const DeviceTensors active;
  if (name == "adamw") return std::make_unique<AdamW>(parameters, config_of(name), &kEmulated);
  return std::make_unique<AdamW8bit>(parameters, config_of(name), &kEmulated);
}

// In the third step two tensors get none.
void set_gradients(const NamedParameters& parameters, uint64_t step) {
  at::manual_seed(100 + step);
  for (const auto& [name, tensor] : parameters) {
    const at::Tensor gradient = at::randn_like(tensor.detach());
    if (step != 3 || name.starts_with("q.")) tensor.mutable_grad() = gradient;
  }
}

double step(Optimizer& optimizer, const NamedParameters& parameters, uint64_t number) {
  set_gradients(parameters, number);
  const double norm = optimizer.step(1e-2, 0.5, 1.0);
  optimizer.zero_grad();
  return norm;
}

void expect_same(const Optimizer& found, const Optimizer& expected) {
  const OptimizerState left = found.state(), right = expected.state();
  ASSERT_EQ(left.size(), right.size());
  for (const auto& [name, tensor] : left) EXPECT_TRUE(at::equal(tensor, right.at(name))) << name;
}

class DeviceOptimizer : public ::testing::TestWithParam<const char*> {
 protected:
  const NamedParameters on_gpu_ = parameters(), on_cpu_ = parameters();
  const std::unique_ptr<Optimizer> gpu_ = on_device(GetParam(), on_gpu_),
                                   cpu_ = make_optimizer(on_cpu_, config_of(GetParam()));
  void expect_same_parameters() const {
    for (size_t i = 0; i < on_cpu_.size(); ++i)
      EXPECT_TRUE(at::equal(on_gpu_[i].second, on_cpu_[i].second)) << on_cpu_[i].first;
  }
};

TEST_P(DeviceOptimizer, StepsToTheBitsOfTheCpu) {
  for (uint64_t number = 1; number <= 5; ++number)
    EXPECT_EQ(step(*gpu_, on_gpu_, number), step(*cpu_, on_cpu_, number)) << number;
  expect_same_parameters();
  expect_same(*gpu_, *cpu_);
}

TEST_P(DeviceOptimizer, GoesOnFromACheckpointOfTheOtherDevice) {
  for (uint64_t number = 1; number <= 2; ++number) step(*gpu_, on_gpu_, number);
  for (uint64_t number = 1; number <= 2; ++number) step(*cpu_, on_cpu_, number);
  NamedParameters first = parameters(), second = parameters();
  const auto gpu = on_device(GetParam(), first);
  const auto cpu = make_optimizer(second, config_of(GetParam()));
  for (size_t i = 0; i < first.size(); ++i) {
    first[i].second.detach().copy_(on_cpu_[i].second.detach());
    second[i].second.detach().copy_(on_gpu_[i].second.detach());
  }
  gpu->load_state(cpu_->state());
  cpu->load_state(gpu_->state());
  EXPECT_EQ(step(*gpu, first, 3), step(*cpu, second, 3));
  step(*cpu_, on_cpu_, 3);
  expect_same(*gpu, *cpu_);
  expect_same(*cpu, *cpu_);
}

TEST_P(DeviceOptimizer, LeavesOutAStepWhoseNumbersAreNotFinite) {
  step(*gpu_, on_gpu_, 1);
  step(*cpu_, on_cpu_, 1);
  for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    set_gradients(on_gpu_, 2);
    on_gpu_[1].second.mutable_grad()[1][7] = bad;
    EXPECT_FALSE(std::isfinite(gpu_->step(1e-2, 0.5, 1.0)));
    gpu_->zero_grad();
  }
  expect_same(*gpu_, *cpu_);
  EXPECT_EQ(step(*gpu_, on_gpu_, 2), step(*cpu_, on_cpu_, 2));
  expect_same_parameters();
}

TEST_P(DeviceOptimizer, LeavesOutAStepWhoseLossIsNotFinite) {
  at::Tensor loss;
  {
    const DeviceTensors active;
    loss = at::full({}, 2.5, at::kDouble);
  }
  for (Optimizer* optimizer : {gpu_.get(), cpu_.get()}) {
    const NamedParameters& tensors = optimizer == gpu_.get() ? on_gpu_ : on_cpu_;
    set_gradients(tensors, 1);
    loss.fill_(std::nan(""));
    optimizer->start_step(1e-2, 0.5, 1.0, loss);
    EXPECT_TRUE(std::isnan(optimizer->finish_step()));
    EXPECT_EQ(optimizer->state().at("step").sum().item<float>(), 0.0f);
    loss.fill_(2.5);
    set_gradients(tensors, 1);
    optimizer->start_step(1e-2, 0.5, 1.0, loss);
    EXPECT_TRUE(std::isfinite(optimizer->finish_step()));
  }
  expect_same_parameters();
  expect_same(*gpu_, *cpu_);
}

TEST_P(DeviceOptimizer, AnswersWhenTheNextGradientsAreThere) {
  set_gradients(on_gpu_, 1);
  gpu_->start_step(1e-2, 0.5, 1.0);
  EXPECT_TRUE(gpu_->is_step_started());
  gpu_->zero_grad();
  set_gradients(on_gpu_, 2);
  const double first = gpu_->finish_step();
  EXPECT_FALSE(gpu_->is_step_started());
  gpu_->start_step(1e-2, 0.5, 1.0);
  EXPECT_EQ(first, step(*cpu_, on_cpu_, 1));
  EXPECT_EQ(gpu_->finish_step(), step(*cpu_, on_cpu_, 2));
  expect_same_parameters();
}

INSTANTIATE_TEST_SUITE_P(Rules, DeviceOptimizer, ::testing::Values("adamw", "adamw8bit"));

}  // namespace
}  // namespace slmtune::train
