#include "cli/engine/memory_choice.h"

#include <fmt/format.h>

#include <charconv>

#include "cli/engine/run_sizes.h"
#include "core/error.h"
#include "core/log.h"
#include "core/process_memory.h"
#include "core/text.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/device_memory.h"
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

std::optional<DeviceRoom> device_room(at::Device device) {
  const auto share = [](double part, uint64_t bytes) {
    return static_cast<uint64_t>(part * static_cast<double>(bytes));
  };
  if (device.is_cpu()) {
    const MemoryRoom room = memory_room();
    return DeviceRoom{share(0.9, room.available), share(0.9, room.total)};
  }
  const std::optional<kernels::DeviceMemory> memory = kernels::device_memory(device);
  if (!memory) return std::nullopt;
  const uint64_t own = memory->reserved + kernels::kCudaContextBytes;
  return DeviceRoom{share(0.95, std::min(memory->total, memory->free + own)),
                    share(0.95, memory->total)};
}

uint64_t memory_budget(const Recipe& recipe) {
  if (recipe.budget.memory_gib) return static_cast<uint64_t>(*recipe.budget.memory_gib * kGib);
  return device_room(at::kCPU)->now;
}

std::optional<uint64_t> gpu_budget(const Recipe& recipe, at::Device device) {
  if (recipe.budget.memory_gib) return memory_budget(recipe);
  const std::optional<DeviceRoom> room = device_room(device);
  return room ? std::optional(room->now) : std::nullopt;
}

uint64_t program_memory() {
  return resident_memory() + kLibraries;
}

std::string recompute_text(const train::PlanSetting& setting, int64_t layers) {
  const auto share = [&](int64_t count) {
    return count >= layers ? std::string("all") : fmt::format("{} of {} layers", count, layers);
  };
  if (setting.recompute == 0 && setting.whole == 0) return "none";
  const std::string text = share(std::max(setting.recompute, setting.whole));
  return setting.whole == 0 ? text : text + ", whole " + share(setting.whole);
}

// The same steps, whatever is free today.
void take_choices(Recipe& recipe, const train::Identity& identity) {
  train::TrainConfig& config = recipe.train;
  if (!config.micro_batch_tokens)
    config.micro_batch_tokens = number_in(identity, "train.micro_batch_tokens");
  if (!config.recompute) config.recompute = number_in(identity, "train.recompute");
  if (!config.recompute_whole)
    config.recompute_whole = number_in(identity, "train.recompute_whole");
}

MemoryChoice choose_memory(Recipe& recipe, const ModelInputs& inputs, const TrainRows& rows,
                           const kernels::DeviceChoice& device,
                           const std::optional<EarlierRun>& earlier) {
  if (earlier) take_choices(recipe, train::read_state(earlier->checkpoint).identity);
  const bool on_cpu = device.device.is_cpu();
  const train::RowLengths lengths =
      train::row_lengths(rows.train.rows, rows.config.pack ? recipe.train.batch_rows : 1);
  train::PlanSetting setting =
      plan_setting(recipe, inputs.config, lengths, device.dtype == at::kBFloat16 ? 2 : 4);
  setting.on_cpu = on_cpu;
  setting.offload = setting.offload && !on_cpu;  // there it would only be a copy
  setting.program = on_cpu ? program_memory() : kernels::kCudaContextBytes;
  MemoryChoice choice;
  choice.sizes = train::sizes_of(inputs.config);
  choice.trained = trained_sizes(recipe, inputs.config, inputs.adapter);
  choice.budget = on_cpu ? memory_budget(recipe) : gpu_budget(recipe, device.device);
  choice.setting = train::fit_to(choice.budget.value_or(UINT64_MAX), choice.sizes, choice.trained,
                                 setting, auto_choice(recipe, lengths, on_cpu));
  choice.plan = train::plan_memory(choice.sizes, choice.trained, choice.setting);
  recipe.train.micro_batch_tokens = choice.setting.micro_batch_tokens;
  if (!recipe.train.recompute) recipe.train.recompute = choice.setting.recompute;
  if (!recipe.train.recompute_whole) recipe.train.recompute_whole = choice.setting.whole;
  say(choice, choice.sizes.layers());
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

bool wants_rehearsal(const MemoryChoice& choice, const Recipe& recipe) {
  return recipe.budget.memory_gib || !choice.budget || choice.plan.total() > *choice.budget / 2;
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
      "lower train.micro_batch_tokens, or write 'recompute_whole: all' in section 'train'");
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
  json["recompute_whole"] = choice.setting.whole;
  if (choice.plan.host > 0) json["host_bytes"] = choice.plan.host;
  json["parts"] = parts_json(choice.plan);
  return json;
}

}  // namespace slmtune::cli
