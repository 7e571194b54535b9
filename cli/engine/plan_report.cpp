#include "cli/engine/plan_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/engine/calibration.h"
#include "cli/engine/memory_choice.h"
#include "cli/engine/run_sizes.h"
#include "core/text.h"

namespace slmtune::cli {
namespace {

// "1,234,567"
std::string grouped(int64_t number) {
  std::string text = std::to_string(number);
  for (auto place = static_cast<int64_t>(text.size()) - 3; place > 0; place -= 3)
    text.insert(static_cast<size_t>(place), ",");
  return text;
}

// Columns of one width each; `text` may hold letters of several bytes.
std::string padded(const std::string& text, size_t width) {
  const auto letters = static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
  return text + std::string(width > letters ? width - letters : 1, ' ');
}

int64_t trained_parameters(const Plan& plan) {
  return trained_sizes(plan.recipe, plan.inputs.config, plan.inputs.adapter).values();
}

std::string model_text(const Plan& plan) {
  const PlanInputs& inputs = plan.inputs;
  const std::string origin = inputs.origin == "facts" ? " (published facts; no folder needed)" : "";
  return fmt::format(
      "{}: {}, method {}, objective {}\nmodel: {}{}, {} parameters, {} of them train\n",
      plan.recipe.name, inputs.config.architecture, plan.recipe.method, plan.recipe.objective,
      inputs.model, origin,
      grouped(train::sizes_of(inputs.config).parameters() +
              (plan.recipe.method == "full" ? 0 : trained_parameters(plan))),
      grouped(trained_parameters(plan)));
}

std::string rows_text(const Plan& plan) {
  const PlanRows& rows = plan.inputs.rows;
  const char* about = rows.is_estimated ? "about " : "";
  std::string text = fmt::format("data: {} rows, {}{} tokens ({}{} trained), longest {}",
                                 grouped(rows.rows), about, grouped(rows.tokens), about,
                                 grouped(rows.trained_tokens), grouped(rows.longest));
  if (rows.truncated > 0) text += fmt::format(", {} truncated", grouped(rows.truncated));
  if (rows.dropped > 0) text += fmt::format(", {} dropped as too long", grouped(rows.dropped));
  if (rows.duplicates > 0) text += fmt::format(", {} duplicates", grouped(rows.duplicates));
  if (rows.is_estimated) text += "; no tokenizer is here: 4 bytes of text are taken for a token";
  return text + fmt::format("\nrun: {} steps of {} rows, {:.3g} epochs\n",
                            grouped(plan.inputs.steps), plan.recipe.train.batch_rows,
                            plan.inputs.epochs);
}

// Where the speed comes from, and what would be possible.
std::string speed_text(const Outlook& outlook) {
  const Machine& machine = outlook.machine;
  const train::Speed& speed = outlook.cost.speed;
  std::string text = fmt::format(
      "speed: about {:.4g} tokens/s ({:.4g} to {:.4g}), {:.0f} % of the {:.4g} that products at "
      "{} would give\n{:.3g} GFLOP a token, {:.3g} without recomputation (MFU {:.0f} %)",
      speed.expected, speed.slow, speed.fast, 100 * speed.expected / outlook.ceiling,
      outlook.ceiling, rate_text(machine.peak, "FLOP/s"), outlook.flops.total / 1e9,
      outlook.flops.needed() / 1e9,
      100 * speed.expected * outlook.flops.needed() / machine.peak);
  if (machine.rates) {
    text += "; measured: this model's products " + rate_text(machine.rates->layers, "FLOP/s") +
            ", copies " + rate_text(machine.rates->copy, "B/s");
    if (machine.rates->dequantise > 0)
      text += ", weights written out " + rate_text(machine.rates->dequantise, "values/s");
  }
  return text + "\n";
}

std::string parts_text(const Outlook& outlook, int64_t layers) {
  std::string text = fmt::format(
      "\nmemory on {}\nmicro-batches of up to {} tokens, recompute {}, weights {}, optimizer {}\n",
      outlook.machine.title, grouped(outlook.setting.micro_batch_tokens),
      recompute_text(outlook.setting, layers), outlook.setting.quant, outlook.setting.optimizer);
  for (const auto& [name, bytes] : outlook.memory.parts())
    if (bytes > 0) text += "  " + padded(name, 14) + fmt::format("{:>10}\n", human_bytes(bytes));
  text += "  " + padded("total", 14) +
          fmt::format("{:>10} of {} that training may take\n", human_bytes(outlook.memory.total()),
                      human_bytes(outlook.machine.usable));
  if (outlook.memory.host > 0)
    text += "  and " + human_bytes(outlook.memory.host) + " of the computer's memory\n";
  return text + speed_text(outlook);
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
  return all;
}

std::string verdict(const Outlook& outlook, int64_t layers) {
  std::string text = outlook.fits ? "fits" : "does not fit";
  if (!outlook.changes.empty())
    text += (outlook.fits ? " with " : " even with ") + joined(outlook.changes);
  else if (outlook.fits && outlook.setting.recompute + outlook.setting.whole > 0)
    text += ", recompute " + recompute_text(outlook.setting, layers);
  return text;
}

std::string short_title(const Machine& machine) {
  return machine.title.substr(0, machine.title.find(':'));
}

std::string machines_text(const Plan& plan, int64_t layers) {
  const std::string& currency = plan.recipe.budget.currency;
  std::string text = "\n" + padded("machine", 34) +
                     fmt::format("{:>9} {:>9} {:>12} {:>8} {:>9}  ", "memory", "needs", "time",
                                 "kWh", printable(currency)) +
                     "verdict\n";
  for (const Outlook& each : plan.outlooks) {
    text += padded(short_title(each.machine), 34) + fmt::format("{:>9} {:>9} ",
                                                                human_bytes(each.machine.memory),
                                                                human_bytes(each.memory.total()));
    text += each.fits ? fmt::format("{:>12} {:>8.3g} {:>9.2f}  ", human_seconds(each.cost.seconds),
                                    each.cost.kilowatt_hours, each.cost.price)
                      : fmt::format("{:>12} {:>8} {:>9}  ", "-", "-", "-");
    text += verdict(each, layers) + "\n";
  }
  return text;
}

std::string notes_text(const Plan& plan) {
  std::string text = fmt::format("\nprice: {} {} a kWh. ", plan.recipe.budget.kwh_price,
                                 printable(plan.recipe.budget.currency));
  const bool here = !plan.outlooks.front().machine.is_gpu;
  if (here)
    text += fmt::format("This computer: rate measured, {:.0f} W assumed. ",
                        plan.outlooks.front().machine.watts);
  const auto is_card = [](const Outlook& each) {
    return each.machine.is_gpu && !each.machine.rates;
  };
  if (std::any_of(plan.outlooks.begin(), plan.outlooks.end(), is_card))
    text +=
        "Cards: published rates and board power, without the computer around them; none was "
        "measured.";
  text += "\n";
  for (const Advice& advice : plan.advice) {
    text += "\nadvice: " + advice.text + "\n";
    for (const std::string& reason : advice.reasons) text += "  - " + reason + "\n";
  }
  return text;
}

OrderedJson rows_json(const Plan& plan) {
  const PlanRows& rows = plan.inputs.rows;
  return {{"rows", rows.rows},
          {"tokens", rows.tokens},
          {"trained_tokens", rows.trained_tokens},
          {"longest", rows.longest},
          {"truncated", rows.truncated},
          {"dropped_too_long", rows.dropped},
          {"duplicates", rows.duplicates},
          {"valid_tokens", rows.valid_tokens},
          {"estimated", rows.is_estimated}};
}

OrderedJson outlook_json(const Outlook& outlook, int64_t layers) {
  const Machine& machine = outlook.machine;
  return {{"name", machine.name},
          {"title", machine.title},
          {"gpu", machine.is_gpu},
          {"measured", machine.measured},
          {"memory_bytes", machine.memory},
          {"usable_bytes", machine.usable},
          {"fits", outlook.fits},
          {"changes", outlook.changes},
          {"micro_batch_tokens", outlook.setting.micro_batch_tokens},
          {"recompute_layers", std::min(outlook.setting.recompute, layers)},
          {"recompute_whole_layers", std::min(outlook.setting.whole, layers)},
          {"total_bytes", outlook.memory.total()},
          {"parts", parts_json(outlook.memory)},
          {"host_bytes", outlook.memory.host},
          {"peak_flops_per_second", machine.peak},
          {"flops_per_token", outlook.flops.total},
          {"flops_per_token_needed", outlook.flops.needed()},
          {"ceiling_tokens_per_second", outlook.ceiling},
          {"watts", machine.watts},
          {"tokens_per_second", outlook.cost.speed.expected},
          {"tokens_per_second_low", outlook.cost.speed.slow},
          {"tokens_per_second_high", outlook.cost.speed.fast},
          {"seconds", outlook.cost.seconds},
          {"seconds_low", outlook.cost.least_seconds},
          {"seconds_high", outlook.cost.most_seconds},
          {"kwh", outlook.cost.kilowatt_hours},
          {"cost", outlook.cost.price}};
}

}  // namespace

std::string plan_text(const Plan& plan, size_t shown) {
  const int64_t layers = plan.inputs.config.layers;
  return model_text(plan) + rows_text(plan) + parts_text(plan.outlooks[shown], layers) +
         machines_text(plan, layers) + notes_text(plan);
}

OrderedJson plan_json(const Plan& plan) {
  const PlanInputs& inputs = plan.inputs;
  OrderedJson json = {{"schema", 1}, {"name", plan.recipe.name}};
  json["model"] = {{"name", inputs.model},
                   {"origin", inputs.origin},
                   {"architecture", inputs.config.architecture},
                   {"layers", inputs.config.layers},
                   {"parameters", train::sizes_of(inputs.config).parameters()},
                   {"trained_parameters", trained_parameters(plan)}};
  json["data"] = rows_json(plan);
  json["steps"] = inputs.steps;
  json["epochs"] = inputs.epochs;
  json["currency"] = plan.recipe.budget.currency;
  json["kwh_price"] = plan.recipe.budget.kwh_price;
  json["machines"] = OrderedJson::array();
  for (const Outlook& each : plan.outlooks)
    json["machines"].push_back(outlook_json(each, inputs.config.layers));
  json["advice"] = OrderedJson::array();
  for (const Advice& advice : plan.advice)
    json["advice"].push_back(
        {{"topic", advice.topic}, {"text", advice.text}, {"reasons", advice.reasons}});
  return json;
}

}  // namespace slmtune::cli
