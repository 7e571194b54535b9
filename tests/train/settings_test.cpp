// Every setting of the training methods changes what is learnt, and a run with it that is stopped
// and goes on ends with the same bytes.
#include <ATen/ATen.h>

#include "lora/lora_config.h"
#include "tests/support/tiny_model.h"
#include "tests/train/tiny_training.h"
#include "train/checkpoint_folders.h"
#include "train/embedding_noise.h"

namespace slmtune::train {
namespace {

using slmtune::testing::TempFolder;
using testing::TinyRun;

struct Setting {
  std::string name;
  void (*set)(TrainConfig& config, lora::LoraConfig& lora) = nullptr;
  bool is_full = false;
};

void plain(TrainConfig&, lora::LoraConfig&) {}

const std::vector<Setting>& settings() {
  static const std::vector<Setting> rows = {
      {"adamw8bit", [](TrainConfig& config, auto&) { config.optimizer = "adamw8bit"; }},
      {"adamw8bit_full", [](TrainConfig& config, auto&) { config.optimizer = "adamw8bit"; }, true},
      {"neftune", [](TrainConfig& config, auto&) { config.neftune_alpha = 5.0; }},
      {"neftune_full", [](TrainConfig& config, auto&) { config.neftune_alpha = 5.0; }, true},
      {"lora_plus", [](TrainConfig& config, auto&) { config.plus_ratio = 8.0; }},
      {"dora", [](auto&, lora::LoraConfig& lora) { lora.variant = "dora"; }},
      {"dora_dropout",
       [](auto&, lora::LoraConfig& lora) {
         lora.variant = "dora";
         lora.dropout = 0.3;
       }},
      {"pissa", [](auto&, lora::LoraConfig& lora) { lora.init = "pissa"; }},
  };
  return rows;
}

// Wide enough for moments of 8 bits, which begin at 4096 values: 64 · 64.
std::unique_ptr<models::CausalLM> wide_model() {
  Json json = slmtune::testing::tiny_config("LlamaForCausalLM", /*tied=*/true);
  json["vocab_size"] = testing::kVocabulary;
  json["hidden_size"] = 64;
  return models::init_model(models::ModelConfig::from_json(json, "config.json"), 1, {});
}

std::unique_ptr<models::CausalLM> model_with(const Setting& setting) {
  auto model = wide_model();
  if (setting.is_full) {
    testing::require_all_gradients(*model);
    return model;
  }
  TrainConfig unused;
  lora::LoraConfig config{.rank = 64, .alpha = 64.0};
  setting.set(unused, config);
  lora::attach(*model, config, 3);
  return model;
}

struct Outcome {
  std::string model, optimizer;
  double last_loss = 0.0;
};

Outcome train(const Setting& setting, int stop_every) {
  TinyRun tiny(model_with(setting));
  lora::LoraConfig unused;
  setting.set(tiny.job.config, unused);
  tiny.job.config.epochs = 1;
  for (int part = 0; part < 20; ++part) {
    int asked = 0;
    tiny.job.should_stop = [&asked, stop_every] { return stop_every && ++asked == stop_every; };
    const TrainResult result = run_sft(tiny.job);
    const auto checkpoint = latest_checkpoint(tiny.run.path());
    EXPECT_TRUE(checkpoint);
    if (result.ended == "done")
      return {TempFolder::read(*checkpoint / "model.safetensors"),
              TempFolder::read(*checkpoint / "optimizer.safetensors"), result.last_loss};
    tiny.model = model_with(setting);
    tiny.job.model = tiny.model.get();
    at::manual_seed(static_cast<uint64_t>(part));
    tiny.job.resume_from = checkpoint;
  }
  ADD_FAILURE() << "the run never ended";
  return {};
}

class EverySetting : public ::testing::TestWithParam<Setting> {};
INSTANTIATE_TEST_SUITE_P(Of, EverySetting, ::testing::ValuesIn(settings()),
                         [](const auto& instance) { return instance.param.name; });

TEST_P(EverySetting, ChangesWhatIsLearnt) {
  const Outcome with = train(GetParam(), 0),
                without = train({"plain", plain, GetParam().is_full}, 0);
  EXPECT_NE(with.model, without.model);
  EXPECT_GT(std::abs(with.last_loss - without.last_loss), 1e-6 * without.last_loss);
}

TEST_P(EverySetting, ResumesBitForBit) {
  const Outcome whole = train(GetParam(), 0), parts = train(GetParam(), 7);
  EXPECT_EQ(whole.model, parts.model);
  EXPECT_EQ(whole.optimizer, parts.optimizer);
}

TEST(EmbeddingNoise, IsUniformWithinTheBoundOfEachRow) {
  auto model = wide_model();
  const EmbeddingNoise noise(*model, 5.0);
  const at::Tensor embedded = at::zeros({50, 64});
  models::Layout layout;
  layout.starts = {0, 40, 50};
  at::manual_seed(1);
  const at::Tensor changed = model->on_embedding(embedded, layout);
  for (auto [first, tokens] : {std::pair<int64_t, int64_t>{0, 40}, {40, 10}}) {
    const at::Tensor row = changed.narrow(0, first, tokens);
    const double bound = 5.0 / std::sqrt(static_cast<double>(tokens * 64));
    EXPECT_LE(row.abs().max().item<double>(), bound);
    EXPECT_GT(row.abs().max().item<double>(), 0.98 * bound);
    EXPECT_NEAR(row.mean().item<double>(), 0.0, 0.1 * bound);
    EXPECT_NEAR(row.square().mean().item<double>(), bound * bound / 3.0, 0.04 * bound * bound);
  }
}

TEST(EmbeddingNoise, ActsWhileGradientsAreRecordedAndItLivesOnly) {
  auto model = wide_model();
  testing::require_all_gradients(*model);
  const at::Tensor ids = at::arange(3, 12, at::kLong);
  const auto hidden = [&] { return model->hidden(ids, models::Layout::single(9)); };
  const at::Tensor plain_hidden = hidden();
  {
    const EmbeddingNoise noise(*model, 5.0);
    EXPECT_FALSE(at::equal(hidden(), plain_hidden));
    const at::NoGradGuard validation;
    EXPECT_TRUE(at::equal(hidden(), plain_hidden));
  }
  EXPECT_TRUE(at::equal(hidden(), plain_hidden));
}

}  // namespace
}  // namespace slmtune::train
