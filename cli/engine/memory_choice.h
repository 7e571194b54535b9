// How a training fits into this machine's memory: what the recipe leaves open is chosen by the plan
// (train/memory_plan.h), what does not fit is refused before anything is loaded.
#pragma once
#include <optional>

#include "cli/engine/resume.h"
#include "cli/engine/train_inputs.h"
#include "core/json.h"
#include "kernels/device.h"
#include "train/loop.h"
#include "train/memory_plan.h"

namespace slmtune::cli {

struct MemoryChoice {
  train::PlanSetting setting;
  train::MemoryPlan plan;
  std::optional<uint64_t> budget;  // bytes; none where the device's memory is not known
};

// Bytes that a run may take on this computer: budget.memory_gib, or nine tenths of what this
// process may hold.
uint64_t memory_budget(const Recipe& recipe);

// Bytes that this process will hold beside model and training: it as it is, and what the libraries
// add once they work.
uint64_t program_memory();

// Sets train.micro_batch_tokens and train.recompute of `recipe` where they are auto: as `earlier`
// was started with, which may still go on, or as fits best. Says what was chosen on stderr.
MemoryChoice choose_memory(Recipe& recipe, const ModelInputs& inputs, const TrainRows& rows,
                           const kernels::DeviceChoice& device,
                           const std::optional<EarlierRun>& earlier);

// G011 when the plan needs more than the budget.
void check_plan(const MemoryChoice& choice);

// Says how much the largest micro-batch took beside what was planned. G011 when that is more than
// the budget.
void check_rehearsal(const MemoryChoice& choice, const train::Rehearsal& rehearsal);

// Planned and measured, for summary.json.
OrderedJson memory_json(const MemoryChoice& choice, const train::TrainResult& result);

// Bytes of the parts by name.
OrderedJson parts_json(const train::MemoryPlan& plan);

// "none", "all" or the number of layers.
std::string recompute_text(const train::PlanSetting& setting, int64_t layers);

}  // namespace slmtune::cli
