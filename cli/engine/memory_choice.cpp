#include "cli/engine/memory_choice.h"

#include <fmt/format.h>

#include <charconv>

#include "cli/engine/run_sizes.h"
#include "core/error.h"
#include "core/log.h"
#include "core/process_memory.h"
#include "core/text.h"
#include "train/checkpoint.h"
#include "train/rehearsal.h"

namespace slmtune::cli {
namespace {

constexpr double kGib = 1024.0 * 1024.0 * 1024.0;

// Code of LibTorch and its libraries that is read from disk when it is first needed, their scratch
// memory and the threads' stacks.
constexpr uint64_t kLibraries = uint64_t{80} << 20;

std::optional<int64_t> number_in(const train::Identity& identity, const std::string& field) {
  const auto found = identity.find(field);
  if (found == identity.end()) return std::nullopt;
  const std::string& text = found->second;
  if (text == "none") return 0;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                  : std::nullopt;
}

// What is auto becomes what the run was started with: the same steps, whatever is free today.
void take_from(Recipe& recipe, const EarlierRun& earlier) {
  const train::Identity identity = train::read_state(earlier.checkpoint).identity;
  train::TrainConfig& config = recipe.train;
  if (!config.micro_batch_tokens)
    config.micro_batch_tokens = number_in(identity, "train.micro_batch_tokens");
  if (!config.recompute) config.recompute = number_in(identity, "train.recompute");
}

std::string parts_text(const train::MemoryPlan& plan) {
  std::string text;
  for (const auto& [name, bytes] : plan.parts())
    if (bytes >= (uint64_t{1} << 20))
      text += (text.empty() ? "" : ", ") + name + " " + human_bytes(bytes);
  return text;
}

void say(const MemoryChoice& choice, int64_t layers) {
  std::string text = fmt::format("memory: about {} planned", human_bytes(choice.plan.total()));
  if (choice.budget) text += fmt::format(" of {}", human_bytes(*choice.budget));
  log_info(text + fmt::format(", micro-batches of up to {} tokens, recompute {}",
                              choice.setting.micro_batch_tokens,
                              recompute_text(choice.setting, layers)));
  log_verbose("memory: " + parts_text(choice.plan));
}

}  // namespace

uint64_t memory_budget(const Recipe& recipe) {
  if (recipe.budget.memory_gib) return static_cast<uint64_t>(*recipe.budget.memory_gib * kGib);
  return static_cast<uint64_t>(0.9 * static_cast<double>(memory_room().available));
}

uint64_t program_memory() {
  return resident_memory() + kLibraries;
}

std::string recompute_text(const train::PlanSetting& setting, int64_t layers) {
  if (setting.recompute == 0) return "none";
  if (setting.recompute >= layers) return "all";
  return fmt::format("{} of {} layers", setting.recompute, layers);
}

MemoryChoice choose_memory(Recipe& recipe, const ModelInputs& inputs, const TrainRows& rows,
                           const kernels::DeviceChoice& device,
                           const std::optional<EarlierRun>& earlier) {
  if (earlier) take_from(recipe, *earlier);
  const bool on_cpu = device.device.is_cpu();
  const train::RowLengths lengths =
      train::row_lengths(rows.train.rows, rows.config.pack ? recipe.train.batch_rows : 1);
  const train::ModelSizes sizes = train::sizes_of(inputs.config);
  const train::TrainedSizes trained = trained_sizes(recipe, inputs.config, inputs.adapter);
  train::PlanSetting setting =
      plan_setting(recipe, inputs.config, lengths, device.dtype == at::kBFloat16 ? 2 : 4);
  setting.on_cpu = on_cpu;
  if (on_cpu) setting.program = program_memory();
  MemoryChoice choice;
  if (on_cpu || recipe.budget.memory_gib) choice.budget = memory_budget(recipe);
  choice.setting = train::fit_to(choice.budget.value_or(UINT64_MAX), sizes, trained, setting,
                                 auto_choice(recipe, lengths, on_cpu));
  choice.plan = train::plan_memory(sizes, trained, choice.setting);
  recipe.train.micro_batch_tokens = choice.setting.micro_batch_tokens;
  if (!recipe.train.recompute) recipe.train.recompute = choice.setting.recompute;
  say(choice, sizes.layers());
  return choice;
}

void check_plan(const MemoryChoice& choice) {
  if (!choice.budget || choice.plan.total() <= *choice.budget) return;
  throw UnavailableError(
      "G011", "budget.memory_gib",
      fmt::format("training needs about {} ({}), and {} may be used",
                  human_bytes(choice.plan.total()), parts_text(choice.plan),
                  human_bytes(*choice.budget)),
      "'slmtune plan' with this recipe shows what to change; or close other programs, or raise "
      "budget.memory_gib");
}

void check_rehearsal(const MemoryChoice& choice, const train::Rehearsal& rehearsal) {
  const uint64_t planned = choice.plan.total();
  const double share = static_cast<double>(rehearsal.peak) / static_cast<double>(planned);
  log_info(
      fmt::format("memory: the largest micro-batch ({} tokens) took {}, {:+.1f} % beside the plan",
                  rehearsal.tokens, human_bytes(rehearsal.peak), 100 * (share - 1)));
  if (!choice.budget || rehearsal.peak <= *choice.budget) return;
  throw UnavailableError(
      "G011", "budget.memory_gib",
      fmt::format("the largest micro-batch ({} tokens) takes {}, and {} may be used; nothing was "
                  "trained",
                  rehearsal.tokens, human_bytes(rehearsal.peak), human_bytes(*choice.budget)),
      "lower train.micro_batch_tokens, or write 'recompute: all' in section 'train'");
}

OrderedJson parts_json(const train::MemoryPlan& plan) {
  OrderedJson json;
  for (const auto& [name, bytes] : plan.parts()) json[name] = bytes;
  return json;
}

OrderedJson memory_json(const MemoryChoice& choice, const train::TrainResult& result) {
  OrderedJson json = {{"planned_bytes", choice.plan.total()}};
  json["budget_bytes"] = choice.budget ? OrderedJson(*choice.budget) : OrderedJson();
  json["rehearsed_bytes"] = result.rehearsal ? OrderedJson(result.rehearsal->peak) : OrderedJson();
  json["rehearsed_tokens"] =
      result.rehearsal ? OrderedJson(result.rehearsal->tokens) : OrderedJson();
  json["peak_bytes"] = result.peak_memory ? OrderedJson(*result.peak_memory) : OrderedJson();
  json["micro_batch_tokens"] = choice.setting.micro_batch_tokens;
  json["recompute"] = choice.setting.recompute;
  json["parts"] = parts_json(choice.plan);
  return json;
}

}  // namespace slmtune::cli
