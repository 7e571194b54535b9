// Steps without stalls on the GPU: second streams, tensors that wait in host memory, recorded
// steps, numbers that are read late, 8-bit products.
#include "kernels/cuda/cuda_device.h"
#include "kernels/host_stack.h"
#include "kernels/matmul/matmul.h"
#include "kernels/quant/written_weights.h"
#include "kernels/send.h"
#include "tests/gpu/comparison.h"
#include "tests/support/tiny_model.h"
#include "tests/train/tiny_training.h"
#include "train/optimizer.h"
#include "train/recorded_steps.h"

namespace slmtune::gpu_tests {
namespace {

using train::testing::TinyRun;

// Products keep the current stream busy while the next weight is written, and memory goes round.
TEST(WrittenWeights, AreWhatTheProductsSee) {
  const PoisonedMemory poisoned;
  std::vector<std::unique_ptr<kernels::FrozenWeight>> weights;
  std::vector<at::Tensor> expected;
  const bool on_cpu = setting().device.is_cpu();
  const int64_t tokens = on_cpu ? 16 : 2048, in = on_cpu ? 64 : 4096;
  const at::Tensor x = fresh({tokens, in}, at::kBFloat16).to(setting().device);
  for (const int64_t out : {in, in / 2, 3 * in, int64_t{8}, in}) {
    weights.push_back(kernels::quant_format("nf4")(fresh({out, in}, at::kFloat)));
    weights.back()->to(setting().device);
    expected.push_back(x.mm(weights.back()->dense(at::kBFloat16).t()));
  }
  kernels::WrittenWeights written(setting().device, true);
  for (int round = 0; round < 20; ++round) {
    written.begin();
    std::vector<at::Tensor> found;
    for (const auto& weight : weights)
      found.push_back(x.mm(written.of(*weight, at::kBFloat16).t()));
    for (size_t i = 0; i < found.size(); ++i) ASSERT_TRUE(at::equal(found[i], expected[i])) << i;
  }
  EXPECT_EQ(written.in_vain(), 0);
}

TEST(HostStack, BringsBackWhatWasThereWhenItWasPushed) {
  const PoisonedMemory poisoned;
  std::vector<at::Tensor> expected;
  kernels::HostStack stack(setting().device);
  at::Tensor x = fresh({128, 256}, at::kFloat).to(setting().device);
  for (int i = 0; i < 12; ++i) {
    x = x.mm(x.t()).mm(x);  // the old one's memory is used again
    x = x / x.norm();
    expected.push_back(x.to(at::kCPU));
    stack.push(x);
  }
  for (; !expected.empty(); expected.pop_back())
    ASSERT_TRUE(at::equal(stack.pop().to(at::kCPU), expected.back())) << expected.size();
}

// What was on its way back does not arrive in memory that somebody else has by then.
TEST(HostStack, OfAPassThatFailedLeavesLaterMemoryAlone) {
  const bool on_cpu = setting().device.is_cpu();
  const auto options = at::TensorOptions(setting().device).dtype(at::kFloat);
  const int64_t count = on_cpu ? 1 << 10 : 1 << 24;
  for (int round = 0; round < 10; ++round) {
    {
      kernels::HostStack stack(setting().device);
      for (int i = 0; i < 3; ++i) stack.push(at::full({count}, 7.0, options));
      stack.pop();
    }
    const at::Tensor next = at::ones({count}, options);
    ASSERT_EQ(next.min().item<float>(), 1.0f);
    ASSERT_EQ(next.max().item<float>(), 1.0f);
  }
}

TEST(Send, TablesArriveWhole) {
  for (const int64_t count : {1, 7, 100'000}) {
    const at::Tensor table = at::arange(count, at::kLong);
    EXPECT_TRUE(at::equal(kernels::sent_to(table, setting().device).to(at::kCPU), table));
  }
}

using Gradients = std::map<std::string, at::Tensor>;

// From a seed of its own: behind some draws gradients nearly cancel, and rounding shows.
void randomise_adapters(models::CausalLM& model) {
  at::manual_seed(5);
  for (auto& [name, tensor] : models::trainable_tensors(model)) tensor.detach().normal_(0.0, 0.2);
}

Gradients gradients_of(models::CausalLM& model) {
  for (auto& [name, tensor] : models::trainable_tensors(model)) tensor.mutable_grad().reset();
  models::Layout layout = testing::packed_layout({12, 1, 7});
  layout.positions = layout.positions.to(setting().device);
  const at::Tensor hidden = model.hidden(testing::some_ids(20).to(setting().device), layout);
  hidden.backward(at::ones_like(hidden));
  Gradients gradients;
  for (auto& [name, tensor] : models::trainable_tensors(model))
    gradients[name] = tensor.grad().to(at::kCPU);
  return gradients;
}

TEST(LayerForm, InputsInHostMemoryAndTilesChangeNoGradient) {
  const auto shape =
      models::ModelConfig::from_json(testing::tiny_config("LlamaForCausalLM"), "config.json");
  auto model = models::init_model(shape, 7, {.device = setting().device, .quant = "nf4"});
  lora::attach(*model, {.rank = 3}, 1);
  randomise_adapters(*model);
  const Gradients expected = gradients_of(*model);
  model->recompute_whole = 2;
  model->offload_inputs = true;
  for (const int64_t tile : {0, 7}) {
    model->mlp_tile = tile;
    for (const auto& [name, gradient] : gradients_of(*model))
      expect_close(gradient, expected.at(name), 1e-4, name);
  }
}

TEST(LayerForm, AdaptersWithinProductsChangeNoGradient) {
  for (const char* format : {"nf4", "int8"}) {
    const auto shape =
        models::ModelConfig::from_json(testing::tiny_config("LlamaForCausalLM"), "config.json");
    auto model = models::init_model(shape, 7, {.device = setting().device, .quant = format});
    lora::attach(*model, {.rank = 3}, 1);
    randomise_adapters(*model);
    const Gradients expected = gradients_of(*model);
    model->joins_low_rank = true;
    for (int round = 0; round < 3; ++round)  // from the second on weights are written ahead
      for (const auto& [name, gradient] : gradients_of(*model))
        expect_close(gradient, expected.at(name), 1e-4, name);
  }
}

TEST(RecordedSteps, HaveTheLossAndTheGradientsOfThePlainPass) {
  const auto config = train::testing::tiny_model()->config();
  const auto make = [&] {
    auto model = models::init_model(config, 1, {.device = setting().device, .quant = "nf4"});
    lora::attach(*model, {.rank = 4, .alpha = 8.0}, 3);
    return model;
  };
  auto recorded = make(), plain = make();
  const auto optimizer = train::make_optimizer(models::trainable_tensors(*recorded), {});
  const auto other = train::make_optimizer(models::trainable_tensors(*plain), {});
  train::RecordedSteps steps(*recorded, 1024);
  const data::Dataset rows = train::testing::tiny_rows(24);
  for (uint64_t round = 0; round < 12; ++round) {
    const std::vector<uint64_t> chosen = {round, round + 3, round + 7, round + 12};
    const data::MicroBatch batch = data::pack(rows.rows, chosen, 1 << 20, true).front();
    optimizer->zero_grad();
    other->zero_grad();
    const at::Tensor found = steps.loss_sum(batch);
    const at::Tensor expected =
        train::loss_sum(*plain, train::to_tensors(batch, setting().device), 1024);
    expected.backward();
    expect_close(found, expected.detach(), 1e-5, "loss");
    const auto left = models::trainable_tensors(*recorded),
               right = models::trainable_tensors(*plain);
    for (size_t i = 0; i < left.size(); ++i)
      if (right[i].second.grad().abs().max().item<double>() > 0)  // B is zero: none for A
        expect_close(left[i].second.grad(), right[i].second.grad(), 1e-4, left[i].first);
  }
  EXPECT_GT(steps.recorded(), 0u);
}

std::string log_with(bool reads_late, bool records_steps) {
  const auto config = train::testing::tiny_model()->config();
  auto model = models::init_model(config, 1, {.device = setting().device});
  lora::attach(*model, {.rank = 4}, 3);
  TinyRun run(std::move(model));
  run.job.reads_late = reads_late;
  run.job.records_steps = records_steps;
  train::run_sft(run.job);
  std::string log;
  for (const OrderedJson& line : train::testing::log_lines(run.run.path()))
    log += line["step"].dump() + " " + line["loss"].dump() + " " + line["grad_norm"].dump() + "\n";
  return log;
}

TEST(LateReading, LeavesTheSameLog) {
  EXPECT_EQ(log_with(true, false), log_with(false, false));
  EXPECT_EQ(log_with(true, true), log_with(false, true));
}

TEST(Matmul, EightBitProductsAreThoseOfTheCpu) {
  const auto& gpu = kernels::opened_cuda_device();
  for (const kernels::Matmul matmul : {kernels::Matmul::kInt8, kernels::Matmul::kFp8}) {
    if (gpu && gpu->capability < (matmul == kernels::Matmul::kInt8 ? 80 : 89)) continue;
    for (const auto& [m, n, k] :
         {std::tuple(256, 512, 384), std::tuple(33, 64, 128), std::tuple(5, 17, 33)}) {
      const at::Tensor x = fresh({m, k}, at::kBFloat16), w = fresh({n, k}, at::kBFloat16),
                       g = fresh({m, n}, at::kBFloat16);
      const auto there = [](const at::Tensor& tensor) { return tensor.to(setting().device); };
      // What a GPU does not take goes by the model's numbers, which are nearer to the truth.
      const bool codes = kernels::is_served(matmul, m, k, n) || setting().device.is_cpu();
      const double bound = codes ? 6e-3 : 6e-2;
      expect_close(kernels::times_transposed(there(x), there(w), matmul),
                   kernels::times_transposed(x, w, matmul), bound, "x·wᵀ");
      expect_close(kernels::times(there(g), there(w), matmul), kernels::times(g, w, matmul), bound,
                   "g·w");
    }
  }
}

}  // namespace
}  // namespace slmtune::gpu_tests
