// One training run from loaded rows to a trained model: the run's folder (new or resumed), the
// model, the loop.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cli/engine/train_inputs.h"
#include "train/run_folder.h"
#include "train/sft.h"

namespace slmtune::cli {

struct OpenRun {
  train::RunFolder folder;
  std::optional<std::filesystem::path> checkpoint;  // to go on from
};

// `resume`: auto | never | a run's folder or its name. N001 no such run, T011 it cannot go on with
// this recipe.
OpenRun open_run(const Recipe& recipe, const std::string& text, const std::string& resume,
                 const std::map<std::string, std::string>& identity);

struct TrainedModel {
  std::unique_ptr<models::CausalLM> model;
  std::filesystem::path folder;          // config.json and tokenizer files
  std::optional<lora::LoraConfig> lora;  // of the adapter that was trained
  models::ParameterCount parameters;
};

// Loads or makes the model and sets what trains. With facts, `<run>/model/` gets config.json and
// tokenizer files.
TrainedModel make_trainable(const Recipe& recipe, const ModelInputs& inputs,
                            const kernels::DeviceChoice& device, const std::filesystem::path& run);

// Runs the loop with Ctrl-C and SIGTERM turned into a checkpoint.
train::SftResult train_model(const Recipe& recipe, const TrainRows& rows, TrainedModel& trained,
                             OpenRun& run, const std::map<std::string, std::string>& identity);

}  // namespace slmtune::cli
