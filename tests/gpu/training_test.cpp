// Whole training runs on the GPU: losses of the CPU, the same bits again.
#include "tests/gpu/comparison.h"
#include "tests/train/tiny_training.h"

namespace slmtune::gpu_tests {
namespace {

using train::testing::TinyRun;

constexpr int64_t kSteps = 20;

struct Kind {
  at::ScalarType dtype;
  std::string format, optimizer;
};

std::unique_ptr<models::CausalLM> model_on(at::Device device, const Kind& kind) {
  const auto config = train::testing::tiny_model()->config();
  auto model =
      models::init_model(config, 1, {.dtype = kind.dtype, .device = device, .quant = kind.format});
  lora::attach(*model, {.rank = 4, .alpha = 8.0}, 3);
  return model;
}

std::vector<double> losses_on(at::Device device, const Kind& kind) {
  TinyRun run(model_on(device, kind));
  run.job.config.max_steps = kSteps;
  run.job.config.epochs = 10;
  run.job.config.optimizer = kind.optimizer;
  train::run_sft(run.job);
  std::vector<double> losses;
  for (const OrderedJson& line : train::testing::log_lines(run.run.path()))
    if (line.contains("loss") && line.contains("grad_norm")) losses.push_back(line["loss"]);
  return losses;
}

const std::vector<Kind> kKinds = {{at::kFloat, "none", "adamw"},
                                  {at::kFloat, "nf4", "adamw"},
                                  {at::kBFloat16, "nf4", "adamw"},
                                  {at::kBFloat16, "none", "adamw8bit"}};

TEST(Training, TwentyStepsHaveTheLossesOfTheCpu) {
  for (const Kind& kind : kKinds) {
    if (setting().device.is_cpu() && kind.format == "none") continue;  // the others will do
    SCOPED_TRACE(kind.format + ", " + at::toString(kind.dtype) + ", " + kind.optimizer);
    const std::vector<double> expected = losses_on(at::kCPU, kind);
    const std::vector<double> found = losses_on(setting().device, kind);
    ASSERT_EQ(expected.size(), static_cast<size_t>(kSteps));
    ASSERT_EQ(found.size(), expected.size());
    EXPECT_LT(expected.back(), expected.front());
    const double bound = kind.dtype == at::kFloat ? 1e-4 : 1e-2;
    for (size_t i = 0; i < found.size(); ++i)
      EXPECT_NEAR(found[i] / expected[i], 1.0, bound) << "step " << i + 1;
  }
}

TEST(Training, TwoRunsGiveTheSameLosses) {
  for (const Kind& kind : {kKinds[1], kKinds[3]})
    EXPECT_EQ(losses_on(setting().device, kind), losses_on(setting().device, kind)) << kind.format;
}

}  // namespace
}  // namespace slmtune::gpu_tests
