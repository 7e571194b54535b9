#include "cli/engine/plan_machines.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "cli/engine/memory_choice.h"
#include "cli/engine/run_sizes.h"
#include "core/process_memory.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/device.h"
#include "kernels/device_memory.h"
#include "kernels/matmul/product.h"
#include "train/machine_probe.h"

namespace slmtune::cli {
namespace {

// Share of the matrix rate that training on a CPU is taken to reach (docs/plan.md). Of bfloat16
// products that are LibTorch's it was never measured.
constexpr train::ReachedShare kCpuShare = {0.75, 0.6, 0.9}, kLibraryShareBfloat16 = {0.3, 0.2, 0.8};
// Of a desktop computer under load. Its own power is not known to it.
constexpr double kComputerWatts = 100, kGpuWatts = 350;
// What a desktop and other programs leave of a card.
constexpr double kUsableShare = 0.95;

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
          "train.recompute_whole: auto",
          [](Draft& draft) {
            return std::exchange(draft.recipe.train.recompute_whole, std::nullopt).has_value();
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
    result.setting = train::fit_to(machine_.usable, sizes_, trained, setting,
                                   auto_choice(draft.recipe, draft.rows, !machine_.is_gpu));
    result.memory = train::plan_memory(sizes_, trained, result.setting);
    result.fits = result.memory.total() <= machine_.usable;
  }

  // Fills cost, flops and ceiling.
  void price(const Recipe& recipe, Outlook& result) const {
    const PlanRows& rows = inputs_.rows;
    const auto tokens = static_cast<double>(rows.tokens);
    const train::TrainedSizes trained = trained_sizes(recipe, inputs_.config, inputs_.adapter);
    const train::FlopsPerToken flops = train::flops_per_token(
        sizes_, trained,
        work_shape(recipe, result.setting, rows.mean_tokens,
                   static_cast<double>(rows.trained_tokens) / tokens, inputs_.epochs));
    const double validations =
        1.0 + (recipe.eval.every > 0 ? inputs_.epochs / recipe.eval.every : 0.0);
    const double valid_work =
        validations * static_cast<double>(rows.valid_tokens) * flops.forward / flops.total;
    const train::Speed speed =
        machine_.rates ? train::speed_by_rates(train::token_time(sizes_, trained, result.setting,
                                                                 flops.total, *machine_.rates))
                       : train::speed_by_share(flops.total, machine_.peak, machine_.share);
    result.cost = train::run_cost(tokens * inputs_.epochs + valid_work, speed, machine_.watts,
                                  recipe.budget.kwh_price);
    result.flops = flops;
    result.ceiling = machine_.peak / flops.total;
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
  constexpr double kSeconds = 0.3;
  machine.peak = train::peak_rate(at::kCPU, device.dtype, kSeconds);
  machine.share =
      is_short && !kernels::multiplies_in_tiles(device.dtype) ? kLibraryShareBfloat16 : kCpuShare;
  machine.watts = kComputerWatts;
  machine.value_bytes = is_short ? 2 : 4;
  machine.memory = memory_room().total;
  machine.usable = memory_budget(recipe);
  machine.program = program_memory();
  return machine;
}

std::optional<Machine> this_gpu(const Recipe& recipe, const PlanInputs& inputs) {
  // Looking for a driver's file costs nothing; opening the CUDA module takes seconds.
  const bool has_driver =
      std::filesystem::exists("/dev/nvidiactl") || std::filesystem::exists("/dev/dxg");
  if (recipe.model.device == "cpu" || !has_driver) return std::nullopt;
  const kernels::DeviceChoice device =
      kernels::choose_device("auto", wanted_dtype(recipe), inputs.config.hidden_size);
  const auto& opened = kernels::opened_cuda_device();
  if (device.device.is_cpu() || !opened) return std::nullopt;
  const std::optional<train::GpuFacts> facts = train::known_gpu(opened->name);
  Machine machine;
  machine.name = "this-gpu";
  machine.title = "this GPU: " + device.line;
  machine.is_gpu = machine.measured = true;
  machine.memory = opened->memory_bytes;
  machine.usable = gpu_budget(recipe, device.device).value_or(machine.memory);
  machine.program = kernels::kCudaContextBytes;
  machine.value_bytes = device.dtype == at::kBFloat16 ? 2 : 4;
  machine.rates = train::probe_machine(
      train::sizes_of(inputs.config),
      {.device = device.device, .dtype = device.dtype, .quant = recipe.model.quant});
  machine.peak = machine.rates->peak;
  machine.watts = facts ? facts->board_watts : kGpuWatts;
  kernels::release_device_cache(device.device);
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
  machine.peak = (is_wide ? card.float32_tflops : card.bf16_tflops) * 1e12;
  machine.share = {card.efficiency, card.efficiency * (1 - card.efficiency_spread),
                   std::min(1.0, card.efficiency * (1 + card.efficiency_spread))};
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
  fitting.price(final_draft.recipe, result);
  return result;
}

}  // namespace slmtune::cli
