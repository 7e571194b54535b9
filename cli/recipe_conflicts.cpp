// Keys of different sections that do not go together; each section's own table finds those within
// it.
#include <algorithm>

#include "cli/recipe.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

void check_method(const Recipe& recipe, YamlReader& yaml) {
  if (recipe.method != "full") return;
  if (recipe.has_lora_section)
    yaml.conflict("lora", yaml.where("method"), "section 'lora' has no meaning with method full",
                  "remove the section, or write 'method: lora'");
  if (recipe.model.quant != "none")
    yaml.conflict("method", yaml.section("model").where("quant"),
                  "method full cannot train the quantised weights of 'model.quant: " +
                      recipe.model.quant + "'",
                  "write 'quant: none', or 'method: lora'");
  if (recipe.model.adapter)
    yaml.conflict("method", yaml.section("model").where("adapter"),
                  "method full cannot continue 'model.adapter'",
                  "merge it into its base first with 'slmtune merge'");
}

// 8-bit products are those of the fused path (models/blocks/fused_half.h).
void check_matmul(const Recipe& recipe, YamlReader& yaml) {
  if (recipe.train.matmul == "bf16") return;
  YamlReader train = yaml.section("train");
  const auto refuse = [&](const std::string& where, const std::string& what) {
    train.conflict("matmul", where,
                   "'train.matmul: " + recipe.train.matmul + "' has no meaning with " + what,
                   "remove 'matmul', or train a plain LoRA without dropout");
  };
  if (recipe.method == "full") return refuse(yaml.where("method"), "method full");
  YamlReader lora = yaml.section("lora");
  if (recipe.lora.variant == "dora") return refuse(lora.where("variant"), "variant dora");
  if (recipe.lora.dropout > 0) refuse(lora.where("dropout"), "dropout");
}

void check_validation_file(const Recipe& recipe, YamlReader& yaml) {
  if (!recipe.data.valid) return;
  for (const data::Source& source : recipe.data.train)
    if (source.path.lexically_normal() == recipe.data.valid->lexically_normal())
      return yaml.section("data").conflict(
          "valid", source.where, "'data.valid' is the same file as one of 'data.train'",
          "a model is not measured on rows it was trained on: name another file, or write 'valid: "
          "{fraction: 0.05}'");
}

void check_metrics(const Recipe& recipe, YamlReader& yaml) {
  const std::vector<std::string>& metrics = recipe.eval.metrics;
  auto asks_answers = [](const std::string& metric) { return metric != "loss"; };
  auto asked = std::find_if(metrics.begin(), metrics.end(), asks_answers);
  if (asked == metrics.end()) return;
  YamlReader eval = yaml.section("eval"), data = yaml.section("data");
  if (!recipe.data.valid && recipe.data.valid_fraction == 0)
    eval.conflict("metrics", data.where(),
                  "'" + *asked +
                      "' is measured on validation rows, and "
                      "there are none",
                  "add 'valid: {fraction: 0.05}' to section 'data'");
  else if (recipe.data.format == "text" || recipe.data.format == "tokens")
    eval.conflict("metrics", data.where("format"),
                  "'" + *asked + "' compares answers, and rows of format " + recipe.data.format +
                      " have none",
                  "write 'metrics: [loss]'");
}

// Where an export goes, as text that is equal for equal places.
std::string target_of(const ExportChoice& choice) {
  if (choice.to) return fs::path(*choice.to).lexically_normal().string();
  return choice.format + "\n" + choice.encoding;
}

void check_export_targets(const Recipe& recipe, YamlReader& yaml) {
  if (recipe.exports.size() < 2) return;
  std::vector<YamlReader> sections = yaml.sections("export");
  for (size_t i = 1; i < recipe.exports.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      if (target_of(recipe.exports[i]) != target_of(recipe.exports[j])) continue;
      const char* key = recipe.exports[i].to ? "to" : "format";
      sections[i].conflict(key, sections[j].where(key), "two exports are written to the same place",
                           "remove one, or give it another 'to'");
      break;
    }
}

// What a file of the adapter alone cannot be made of, before hours of training.
void check_adapter_exports(const Recipe& recipe, YamlReader& yaml) {
  std::vector<YamlReader> sections = yaml.sections("export");
  for (size_t i = 0; i < recipe.exports.size(); ++i) {
    if (recipe.exports[i].format != "gguf-lora") continue;
    if (recipe.method == "full")
      sections[i].conflict("format", yaml.where("method"),
                           "format gguf-lora hands an adapter over, and method full trains none",
                           "write 'format: gguf'");
    else if (recipe.lora.variant == "dora")
      sections[i].conflict("format", yaml.section("lora").where("variant"),
                           "llama.cpp has no form for a DoRA adapter",
                           "write 'format: gguf', which merges it");
  }
}

}  // namespace

void check_conflicts(const Recipe& recipe, YamlReader& yaml) {
  check_method(recipe, yaml);
  check_matmul(recipe, yaml);
  check_validation_file(recipe, yaml);
  check_metrics(recipe, yaml);
  check_export_targets(recipe, yaml);
  check_adapter_exports(recipe, yaml);
}

}  // namespace slmtune::cli
