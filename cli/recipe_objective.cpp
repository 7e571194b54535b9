// What the objective decides about other keys of a recipe.
#include <algorithm>
#include <string>
#include <vector>

#include "cli/recipe.h"

namespace slmtune::cli {
namespace {

// Keys of section 'train' that mean something to some objectives only.
struct ObjectiveKey {
  const char* key;
  double train::TrainConfig::*value;
  std::vector<std::string> objectives;
};

std::string place_of_objective(const YamlReader& yaml) {
  return yaml.has("objective") ? yaml.where("objective") : "";
}

// A default is no mistake: --print-recipe shows them all.
void check_keys(const Recipe& recipe, YamlReader& yaml) {
  using T = train::TrainConfig;
  static const std::vector<ObjectiveKey> kKeys = {
      {"beta", &T::beta, {"dpo", "kto"}},
      {"label_smoothing", &T::label_smoothing, {"dpo"}},
      {"desirable_weight", &T::desirable_weight, {"kto"}},
      {"undesirable_weight", &T::undesirable_weight, {"kto"}}};
  for (const auto& [key, value, objectives] : kKeys) {
    const bool is_used = std::ranges::find(objectives, recipe.objective) != objectives.end();
    if (is_used || recipe.train.*value == T().*value) continue;
    yaml.section("train").conflict(
        key, place_of_objective(yaml),
        std::string("'train.") + key + "' has no meaning with objective " + recipe.objective,
        "remove it, or write 'objective: " + objectives.front() + "'");
  }
}

// "dpo" for rows of format preference; every other format but auto is for sft.
std::string objective_of(const std::string& format) {
  if (format == "preference") return "dpo";
  return format == "kto" ? "kto" : "sft";
}

void check_format(const Recipe& recipe, YamlReader& yaml) {
  const std::string& format = recipe.data.format;
  if (format == "auto" || objective_of(format) == recipe.objective) return;
  const std::string wanted = recipe.objective == "dpo"   ? "'format: preference'"
                             : recipe.objective == "kto" ? "'format: kto'"
                                                         : "another format";
  yaml.section("data").conflict(
      "format", place_of_objective(yaml),
      "objective " + recipe.objective + " does not train on rows of format " + format,
      "write 'objective: " + objective_of(format) + "', or " + wanted);
}

void check_batch(const Recipe& recipe, YamlReader& yaml) {
  if (recipe.objective != "kto" || recipe.train.batch_rows > 1) return;
  yaml.section("train").conflict(
      "batch_rows", place_of_objective(yaml),
      "objective kto needs at least two rows per step: how far the model has moved is estimated "
      "over them",
      "write 'batch_rows: 16'");
}

}  // namespace

void apply_objective(Recipe& recipe, YamlReader& yaml) {
  const bool has_rate = yaml.has("train") && yaml.section("train").has("learning_rate");
  if (recipe.objective != "sft" && !has_rate)
    recipe.train.learning_rate = train::kPreferenceLearningRate;
  check_keys(recipe, yaml);
  check_format(recipe, yaml);
  check_batch(recipe, yaml);
}

}  // namespace slmtune::cli
