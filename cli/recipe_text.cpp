// The resolved recipe as YAML: every key in a fixed order, so that equal recipes are equal bytes.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "cli/recipe.h"
#include "core/json.h"

namespace slmtune::cli {
namespace {

// Texts that YAML would read as something else are quoted; a JSON string is a YAML string.
std::string scalar(const std::string& text) {
  static constexpr std::array kWords = {"true", "false", "yes", "no", "on",
                                        "off",  "null",  "y",   "n"};
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  auto is_plain = [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-' || c == '.' || c == '/';
  };
  bool plain = !text.empty() &&
               (std::isalpha(static_cast<unsigned char>(text[0])) || text[0] == '/') &&
               std::all_of(text.begin(), text.end(), is_plain) &&
               std::find(kWords.begin(), kWords.end(), lower) == kWords.end();
  return plain ? text : Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string scalar(const std::optional<std::string>& text) {
  return text ? scalar(*text) : "null";
}

template <typename Number>
std::string number(const std::optional<Number>& value, const char* absent) {
  return value ? fmt::format("{}", *value) : absent;
}

std::string list(const std::vector<std::string>& texts) {
  std::string result;
  for (const std::string& text : texts) result += (result.empty() ? "" : ", ") + scalar(text);
  return "[" + result + "]";
}

std::string model_text(const ModelChoice& model) {
  std::string text = "model:\n";
  if (model.path) text += "  path: " + scalar(*model.path) + "\n";
  if (model.from) text += "  from: " + scalar(*model.from) + "\n";
  if (model.init) text += "  init: " + scalar(*model.init) + "\n";
  text += fmt::format("  adapter: {}\n  quant: {}\n  dtype: {}\n  device: {}\n  template: {}\n",
                      scalar(model.adapter), scalar(model.quant), model.dtype, model.device,
                      scalar(model.chat_template));
  return text;
}

std::string lora_text(const lora::LoraConfig& lora) {
  bool is_one = lora.targets.size() == 1;
  return fmt::format(
      "lora:\n  variant: {}\n  rank: {}\n  alpha: {}\n  dropout: {}\n  targets: {}\n",
      scalar(lora.variant), lora.rank, lora.alpha, lora.dropout,
      is_one ? scalar(lora.targets[0]) : list(lora.targets));
}

std::string data_text(const data::DataConfig& data) {
  std::string text = "data:\n  train:\n";
  for (const data::Source& source : data.train)
    text += fmt::format("    - {{path: {}, weight: {}}}\n", scalar(source.path.string()),
                        source.weight);
  if (data.valid)
    text += "  valid: {path: " + scalar(data.valid->string()) + "}\n";
  else if (data.valid_fraction > 0)
    text += fmt::format("  valid: {{fraction: {}}}\n", data.valid_fraction);
  else
    text += "  valid: null\n";
  text += fmt::format("  format: {}\n  max_tokens: {}\n  too_long: {}\n  pack: {}\n",
                      scalar(data.format), data.max_tokens, scalar(data.too_long), data.pack);
  return text;
}

std::string train_text(const train::TrainConfig& t) {
  std::string text = fmt::format(
      "train:\n  epochs: {}\n  max_steps: {}\n  micro_batch_tokens: {}\n  batch_rows: {}\n",
      t.epochs, number(t.max_steps, "null"), number(t.micro_batch_tokens, "auto"), t.batch_rows);
  text += fmt::format(
      "  learning_rate: {}\n  schedule: {}\n  warmup: {}\n  optimizer: {}\n  weight_decay: {}\n",
      t.learning_rate, scalar(t.schedule), t.warmup, scalar(t.optimizer), t.weight_decay);
  text += fmt::format("  beta1: {}\n  beta2: {}\n  epsilon: {}\n  clip_norm: {}\n  seed: {}\n",
                      t.beta1, t.beta2, t.epsilon, t.clip_norm, t.seed);
  text += fmt::format("  save_minutes: {}\n  max_minutes: {}\n  loss_chunk: {}\n", t.save_minutes,
                      number(t.max_minutes, "null"), t.loss_chunk);
  return text;
}

std::string export_text(const std::vector<ExportChoice>& exports) {
  if (exports.empty()) return "export: []\n";
  std::string text = "export:\n";
  for (const ExportChoice& choice : exports) {
    std::string encoding = choice.encoding.empty() ? "" : ", encoding: " + scalar(choice.encoding);
    text +=
        fmt::format("  - {{format: {}{}, to: {}}}\n", choice.format, encoding, scalar(choice.to));
  }
  return text;
}

}  // namespace

std::string recipe_text(const Recipe& recipe) {
  std::string text =
      fmt::format("name: {}\nstore: {}\n", scalar(recipe.name), scalar(recipe.store.string()));
  text += model_text(recipe.model);
  text += fmt::format("method: {}\nobjective: {}\n", recipe.method, recipe.objective);
  if (recipe.method == "lora") text += lora_text(recipe.lora);
  text += data_text(recipe.data) + train_text(recipe.train);
  text += fmt::format("eval:\n  every: {}\n  metrics: {}\n", recipe.eval.every,
                      list(recipe.eval.metrics));
  return text + export_text(recipe.exports);
}

}  // namespace slmtune::cli
