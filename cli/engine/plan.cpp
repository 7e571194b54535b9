#include "cli/engine/commands.h"
#include "cli/engine/plan_report.h"
#include "cli/engine/train_inputs.h"
#include "cli/output.h"

namespace slmtune::cli {
namespace {

// Before anything slow, so that a mistyped card is told of at once.
std::vector<train::GpuFacts> wanted_gpus(const PlanOptions& options) {
  if (options.gpus.empty()) return train::all_gpus();
  std::vector<train::GpuFacts> cards;
  for (const std::string& name : options.gpus) cards.push_back(train::find_gpu(name));
  return cards;
}

}  // namespace

ExitCode run_plan(const PlanOptions& options, const Common& common) {
  const std::vector<train::GpuFacts> cards = wanted_gpus(options);
  const Recipe recipe = read_recipe(options.recipe, options.settings, {}, /*without_model=*/true);
  const PlanInputs inputs = find_plan_inputs(recipe);
  Plan plan{recipe, inputs, {}, advice_for(recipe, inputs)};
  const Recipe on_cpu = suited_to_cpu(recipe, "cpu", inputs.config);
  plan.outlooks.push_back(outlook(on_cpu, inputs, this_computer(on_cpu, inputs.config.hidden_size)));
  if (const auto gpu = this_gpu(recipe, inputs))
    plan.outlooks.push_back(outlook(recipe, inputs, *gpu));
  // The parts are listed of the first card that was asked for, else of this computer's GPU or CPU.
  const size_t here = plan.outlooks.size();
  for (const train::GpuFacts& card : cards)
    plan.outlooks.push_back(outlook(recipe, inputs, machine_of(recipe, card)));
  if (common.json) {
    print_json(plan_json(plan));
  } else {
    print(plan_text(plan, options.gpus.empty() ? here - 1 : here));
  }
  return ExitCode::kDone;
}

}  // namespace slmtune::cli
