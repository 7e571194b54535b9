// One training run from loaded rows to a trained model: the model, what trains of it, the loop.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "cli/engine/memory_choice.h"
#include "cli/engine/resume.h"
#include "cli/engine/train_inputs.h"
#include "train/loop.h"

namespace slmtune::cli {

struct TrainedModel {
  std::unique_ptr<models::CausalLM> model;
  std::filesystem::path folder;          // config.json and tokenizer files
  std::optional<lora::LoraConfig> lora;  // of the adapter that was trained
  models::ParameterCount parameters;
};

// Loads or makes the model and sets what trains. Without a `run` nothing is written. With facts, `<run>/model/` gets config.json and
// tokenizer files.
TrainedModel make_trainable(const Recipe& recipe, const ModelInputs& inputs,
                            const kernels::DeviceChoice& device, const std::filesystem::path& run);

// Runs the loop. A wish to stop (core/stop.h) becomes a checkpoint and `ended` "stopped".
// G011 when its largest micro-batch takes more than `memory` allows. `meter` may be null.
// `run` is the leader's of `ranks`, null on the others.
train::TrainResult train_model(const Recipe& recipe, const TrainRows& rows,
                               const MemoryChoice& memory, TrainedModel& trained,
                               OpenRun* run, const train::Identity& identity,
                               const train::UtilisationMeter* meter,
                               collective::Collective& ranks);

}  // namespace slmtune::cli
