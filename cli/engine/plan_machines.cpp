#include "cli/engine/plan_machines.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "cli/engine/memory_choice.h"
#include "cli/engine/run_sizes.h"
#include "core/log.h"
#include "core/process_memory.h"
#include "kernels/device.h"

namespace slmtune::cli {
namespace {

// Share of the matrix rate that training on a CPU is taken to reach (docs/plan.md).
constexpr double kCpuShare = 0.6, kCpuShareBfloat16 = 0.3;
// Of a desktop computer under load. Its own power is not known to it.
constexpr double kComputerWatts = 100;
// What a desktop and other programs leave of a card.
constexpr double kUsableShare = 0.95;

// Operations per second of products as tall and wide as those of training.
double matrix_rate(at::ScalarType dtype) {
  constexpr int64_t kRows = 512, kWidth = 2048;
  constexpr double kSeconds = 0.3;
  const at::Tensor x = at::ones({kRows, kWidth}, dtype), w = at::ones({kWidth, kWidth}, dtype);
  at::Tensor out = at::empty({kRows, kWidth}, dtype);
  at::mm_out(out, x, w);
  const double begun = now_seconds();
  int64_t products = 0;
  do {
    at::mm_out(out, x, w);
    ++products;
  } while (now_seconds() - begun < kSeconds);
  return 2.0 * static_cast<double>(products * kRows * kWidth * kWidth) / (now_seconds() - begun);
}

std::string wanted_dtype(const Recipe& recipe) {
  return recipe.method == "full" && recipe.model.dtype == "auto" ? "float32" : recipe.model.dtype;
}

// A recipe and its rows while changes are tried on them.
struct Draft {
  Recipe recipe;
  train::RowLengths rows;
};

struct Change {
  std::function<bool(Draft&)> apply;  // false: there is nothing to change
  std::function<std::string(const Draft&)> text;
};

Change fixed_change(const std::string& text, std::function<bool(Draft&)> apply) {
  return {std::move(apply), [text](const Draft&) { return text; }};
}

bool shorten(Draft& draft) {
  constexpr int64_t kShortest = 512;
  if (draft.rows.longest <= kShortest) return false;
  const int64_t cut = std::max(kShortest, draft.rows.longest / 2);
  draft.rows.step = draft.rows.step * cut / draft.rows.longest;
  draft.rows.longest = cut;
  draft.recipe.data.max_tokens = cut;
  return true;
}

// From what costs nothing to what costs quality.
std::vector<Change> possible_changes() {
  const auto max_tokens_text = [](const Draft& draft) {
    return fmt::format("data.max_tokens: {} (and too_long: drop or truncate)",
                       draft.recipe.data.max_tokens);
  };
  return {
      fixed_change("train.recompute: auto",
                   [](Draft& draft) {
                     return std::exchange(draft.recipe.train.recompute, std::nullopt).has_value();
                   }),
      fixed_change(
          "train.micro_batch_tokens: auto",
          [](Draft& draft) {
            return std::exchange(draft.recipe.train.micro_batch_tokens, std::nullopt).has_value();
          }),
      fixed_change("train.optimizer: adamw8bit",
                   [](Draft& draft) {
                     return std::exchange(draft.recipe.train.optimizer, "adamw8bit") != "adamw8bit";
                   }),
      fixed_change(
          "method: lora",
          [](Draft& draft) { return std::exchange(draft.recipe.method, "lora") != "lora"; }),
      fixed_change("model.quant: nf4",
                   [](Draft& draft) {
                     return draft.recipe.method == "lora" &&
                            std::exchange(draft.recipe.model.quant, "nf4") != "nf4";
                   }),
      {shorten, max_tokens_text},
      {shorten, max_tokens_text},
      fixed_change("lora.rank: 8",
                   [](Draft& draft) {
                     return draft.recipe.lora.rank > 8 &&
                            std::exchange(draft.recipe.lora.rank, 8) != 8;
                   }),
  };
}

class Fitting {
 public:
  Fitting(const PlanInputs& inputs, const Machine& machine)
      : inputs_(inputs), machine_(machine), sizes_(train::sizes_of(inputs.config)) {}

  // Fills setting, memory and `fits`.
  void judge(const Draft& draft, Outlook& result) const {
    const train::TrainedSizes trained =
        trained_sizes(draft.recipe, inputs_.config, inputs_.adapter);
    train::PlanSetting setting =
        plan_setting(draft.recipe, inputs_.config, draft.rows, machine_.value_bytes);
    setting.on_cpu = !machine_.is_gpu;
    setting.program = machine_.program;
    if (machine_.is_gpu) setting.loss_chunk = std::min<int64_t>(setting.loss_chunk, 512);
    result.setting = train::fit_to(machine_.usable, sizes_, trained, setting,
                                   auto_choice(draft.recipe, draft.rows, !machine_.is_gpu));
    result.memory = train::plan_memory(sizes_, trained, result.setting);
    result.fits = result.memory.total() <= machine_.usable;
  }

  train::RunCost cost(const Recipe& recipe, const Outlook& result) const {
    const PlanRows& rows = inputs_.rows;
    const auto tokens = static_cast<double>(rows.tokens);
    train::WorkShape shape{.row_tokens = rows.mean_tokens,
                           .label_share = static_cast<double>(rows.trained_tokens) / tokens,
                           .recompute = result.setting.recompute,
                           .full = result.setting.full};
    // The reference is measured once; kto also measures how far the model has moved, in every step.
    if (recipe.objective == "dpo") shape.other_passes = 1.0 / std::max(1.0, inputs_.epochs);
    if (recipe.objective == "kto") shape.other_passes = 1.0 + 2.0 / std::max(1.0, inputs_.epochs);
    const train::FlopsPerToken flops = train::flops_per_token(
        sizes_, trained_sizes(recipe, inputs_.config, inputs_.adapter), shape);
    const double validations =
        1.0 + (recipe.eval.every > 0 ? inputs_.epochs / recipe.eval.every : 0.0);
    const double valid_work =
        validations * static_cast<double>(rows.valid_tokens) * flops.forward / flops.total;
    train::RunCost cost =
        train::run_cost(tokens * inputs_.epochs + valid_work, flops.total,
                        machine_.flops_per_second, machine_.watts, recipe.budget.kwh_price);
    return cost;
  }

 private:
  const PlanInputs& inputs_;
  const Machine& machine_;
  const train::ModelSizes sizes_;
};

// Applies those of `changes` that `wanted` marks.
Draft changed(Draft draft, const std::vector<Change>& changes, const std::vector<bool>& wanted,
              std::vector<std::string>* texts) {
  for (size_t i = 0; i < changes.size(); ++i) {
    if (!wanted[i] || !changes[i].apply(draft) || texts == nullptr) continue;
    std::string text = changes[i].text(draft);
    // A second cut replaces the first.
    if (!texts->empty() && text.starts_with("data.max_tokens") &&
        texts->back().starts_with("data.max_tokens"))
      texts->pop_back();
    texts->push_back(std::move(text));
  }
  return draft;
}

}  // namespace

Machine this_computer(const Recipe& recipe, int64_t hidden_size) {
  kernels::prepare_process();
  const kernels::DeviceChoice device =
      kernels::choose_device("cpu", wanted_dtype(recipe), hidden_size);
  const bool is_short = device.dtype == at::kBFloat16;
  Machine machine;
  machine.name = "this-computer";
  machine.title = "this computer: " + device.line;
  machine.measured = true;
  machine.flops_per_second = matrix_rate(device.dtype) * (is_short ? kCpuShareBfloat16 : kCpuShare);
  machine.watts = kComputerWatts;
  machine.value_bytes = is_short ? 2 : 4;
  machine.memory = memory_room().total;
  machine.usable = memory_budget(recipe);
  machine.program = program_memory();
  return machine;
}

Machine machine_of(const Recipe& recipe, const train::GpuFacts& card) {
  const bool is_wide = wanted_dtype(recipe) == "float32";
  Machine machine;
  machine.name = card.name;
  machine.title = card.title;
  machine.is_gpu = true;
  machine.measured = card.measured;
  machine.memory = card.memory_bytes();
  machine.usable = static_cast<uint64_t>(kUsableShare * static_cast<double>(machine.memory));
  if (recipe.budget.memory_gib) machine.usable = std::min(machine.usable, memory_budget(recipe));
  machine.program = card.context_bytes();
  machine.value_bytes = is_wide ? 4 : 2;
  machine.flops_per_second =
      (is_wide ? card.float32_tflops : card.bf16_tflops) * 1e12 * card.efficiency;
  machine.watts = card.board_watts;
  return machine;
}

Outlook outlook(const Recipe& recipe, const PlanInputs& inputs, const Machine& machine) {
  const Fitting fitting(inputs, machine);
  const Draft draft{recipe, inputs.rows.lengths};
  const std::vector<Change> changes = possible_changes();
  std::vector<bool> wanted(changes.size(), false);
  Outlook result;
  result.machine = machine;
  const auto try_out = [&] { fitting.judge(changed(draft, changes, wanted, nullptr), result); };
  try_out();
  for (size_t i = 0; i < changes.size() && !result.fits; ++i) {
    wanted[i] = true;
    try_out();
  }
  // What a later, larger change made needless.
  for (size_t i = 0; i < changes.size() && result.fits; ++i) {
    if (!wanted[i]) continue;
    wanted[i] = false;
    try_out();
    if (result.fits) continue;
    wanted[i] = true;
    try_out();
  }
  const Draft final_draft = changed(draft, changes, wanted, &result.changes);
  fitting.judge(final_draft, result);
  result.cost = fitting.cost(final_draft.recipe, result);
  return result;
}

}  // namespace slmtune::cli
