#include "cli/recipe.h"

#include "kernels/device_word.h"

namespace slmtune::cli {
namespace {

// Every key below `fields` is known, also those of sections that this recipe does not have.
void know_all(YamlReader& yaml, const std::vector<FieldFacts>& fields, const std::string& above) {
  for (const FieldFacts& field : fields) {
    if (field.kind == FieldFacts::Kind::kLater) continue;
    yaml.know(above + field.key);
    know_all(yaml, field.fields, above + field.key + ".");
  }
}

Recipe checked_form(YamlReader& yaml) {
  Recipe recipe = Recipe::fields().read(yaml);
  know_all(yaml, Recipe::fields().facts(), "");
  yaml.finish();
  return recipe;
}

}  // namespace

bool is_recipe_path(const std::string& text) {
  return text.ends_with(".yaml") || text.ends_with(".yml");
}

Recipe read_recipe(const std::filesystem::path& path, const std::vector<std::string>& settings,
                   const DeviceFlags& flags, bool without_model) {
  YamlReader yaml = YamlReader::from_file(path);
  for (const std::string& setting : settings) yaml.set(setting);
  Recipe recipe = checked_form(yaml);
  // Which of the GPUs is no part of the recipe: the run may go on with another one.
  if (const auto word = kernels::parse_device_word(flags.device)) recipe.model.device = word->kind;
  if (!flags.dtype.empty()) recipe.model.dtype = flags.dtype;
  check_named_files(recipe, yaml, without_model);
  return recipe;
}

Recipe read_kept_recipe(const std::filesystem::path& path) {
  YamlReader yaml = YamlReader::from_file(path);
  return checked_form(yaml);
}

std::string recipe_text(const Recipe& recipe) {
  return Recipe::fields().block(recipe, 0);
}

}  // namespace slmtune::cli
