// How a training fits into this machine's memory: what the recipe leaves open is chosen by the plan
// (train/memory_plan.h), what does not fit is refused before anything is loaded.
#pragma once
#include <optional>

#include "cli/engine/resume.h"
#include "cli/engine/train_inputs.h"
#include "core/json.h"
#include "kernels/device.h"
#include "train/loop.h"
#include "train/memory_fit.h"

namespace slmtune::cli {

struct MemoryChoice {
  train::PlanSetting setting;
  train::MemoryPlan plan;
  train::ModelSizes sizes;
  train::TrainedSizes trained;
  std::optional<uint64_t> budget;  // bytes; none where the device's memory is not known
};

// Bytes that a run may take of a device's memory: beside all other programs, and if there were none.
struct DeviceRoom {
  uint64_t now = 0, alone = 0;
};
// Nine tenths of what this process may hold on this computer, 95 % of a GPU's. None where the
// driver does not tell.
std::optional<DeviceRoom> device_room(at::Device device);

// Bytes that a run may take on this computer: budget.memory_gib, or what device_room() says.
uint64_t memory_budget(const Recipe& recipe);

// The same of a GPU. None where the driver does not tell and the recipe does not say.
std::optional<uint64_t> gpu_budget(const Recipe& recipe, at::Device device);

// Bytes that this process will hold beside model and training: it as it is, and what the libraries
// add once they work.
uint64_t program_memory();

// Sets train.micro_batch_tokens, train.recompute and train.recompute_whole of `recipe` where they
// are auto: as `earlier` was started with, which may still go on, or as fits best. Says what was chosen on stderr.
MemoryChoice choose_memory(Recipe& recipe, const ModelInputs& inputs, const TrainRows& rows,
                           const kernels::DeviceChoice& device,
                           const std::optional<EarlierRun>& earlier);

// What `recipe` leaves to the plan becomes what a run of this identity was started with.
void take_choices(Recipe& recipe, const train::Identity& identity);

// G011 when the plan needs more than the budget.
void check_plan(const MemoryChoice& choice);

// Whether the largest micro-batch is to be tried before step 1: where the recipe sets a limit, or
// where the plan takes more than half of what there is and so might be wrong about it. Elsewhere a
// step's time would be spent on what cannot fail.
bool wants_rehearsal(const MemoryChoice& choice, const Recipe& recipe);

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
