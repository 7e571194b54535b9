// A model of few tensors with its optimiser, for saving over and over.
#pragma once
#include <memory>

#include "lora/attach.h"
#include "tests/train/tiny_training.h"
#include "train/checkpoint_folders.h"

namespace slmtune::faults {

struct TinyCheckpoint {
  TinyCheckpoint() : optimizer(trained(*model), train::TrainConfig{}) {
    state.identity = {{"data", "aa"}, {"base", "bb"}};
  }

  void save(const std::filesystem::path& run, int64_t step) {
    state.step = step;
    train::save_checkpoint(run, *model, optimizer, state);
  }

  static std::vector<std::pair<std::string, at::Tensor>> trained(models::CausalLM& model) {
    lora::LoraConfig config;
    config.rank = 2;
    config.targets = {"q_proj"};
    lora::attach(model, config, 3);
    return models::trainable_tensors(model);
  }

  std::unique_ptr<models::CausalLM> model = train::testing::tiny_model();
  train::AdamW optimizer;
  train::TrainState state;
};

}  // namespace slmtune::faults
