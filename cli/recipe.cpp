#include "cli/recipe.h"

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

}  // namespace

bool is_recipe_path(const std::string& text) {
  return text.ends_with(".yaml") || text.ends_with(".yml");
}

Recipe read_recipe(const std::filesystem::path& path, const std::vector<std::string>& settings,
                   const DeviceFlags& flags, bool without_model) {
  YamlReader yaml = YamlReader::from_file(path);
  for (const std::string& setting : settings) yaml.set(setting);
  Recipe recipe = Recipe::fields().read(yaml);
  know_all(yaml, Recipe::fields().facts(), "");
  yaml.finish();
  if (!flags.device.empty()) recipe.model.device = flags.device;
  if (!flags.dtype.empty()) recipe.model.dtype = flags.dtype;
  check_named_files(recipe, yaml, without_model);
  return recipe;
}

std::string recipe_text(const Recipe& recipe) {
  return Recipe::fields().block(recipe, 0);
}

}  // namespace slmtune::cli
