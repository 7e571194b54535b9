// The machines that a plan is made for, and how a recipe's run goes on each.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "cli/engine/plan_inputs.h"
#include "train/gpu_facts.h"
#include "train/time_plan.h"

namespace slmtune::cli {

struct Machine {
  std::string name, title;
  bool is_gpu = false;
  bool measured = false;    // the rate, here and now
  uint64_t memory = 0;      // bytes there are
  uint64_t usable = 0;      // bytes that training may take
  uint64_t program = 0;     // bytes that the program or the card's context takes of them
  int64_t value_bytes = 4;  // of a weight and an activation
  double peak = 0;          // operations per second of large products
  train::ReachedShare share = {};  // of them, that training reaches
  // Measured with the recipe's model, on this computer's GPU; then `share` is not used.
  std::optional<train::MachineRates> rates = {};
  double watts = 0;
};

// This computer's CPU: its matrix rate is measured, which takes a third of a second.
Machine this_computer(const Recipe& recipe, int64_t hidden_size);
// Its GPU, which is measured for two seconds; none where there is none, or the recipe says 'cpu'.
std::optional<Machine> this_gpu(const Recipe& recipe, const PlanInputs& inputs);
Machine machine_of(const Recipe& recipe, const train::GpuFacts& card);

struct Outlook {
  Machine machine;
  train::PlanSetting setting;
  train::MemoryPlan memory;
  bool fits = false;                 // after `changes`
  std::vector<std::string> changes;  // to the recipe: "model.quant: nf4"
  train::RunCost cost;
  train::FlopsPerToken flops;
  double ceiling = 0;  // tokens per second, would all arithmetic go at the rate of large products
};

// With the fewest changes to the recipe that make it fit; all of them where none is enough.
Outlook outlook(const Recipe& recipe, const PlanInputs& inputs, const Machine& machine);

}  // namespace slmtune::cli
