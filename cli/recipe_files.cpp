// Are the files that a recipe names there? Asked before anything is loaded, answered for all at
// once.
#include <system_error>

#include "cli/recipe.h"
#include "core/error.h"
#include "core/text.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

// Names of the folder's entries that look most like `path`'s last part, for "did you mean".
std::string nearest_entry(const fs::path& path) {
  std::vector<std::string> names;
  std::error_code ignored;
  fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    names.push_back(entry.path().filename().string());
    if (names.size() >= 1000) break;
  }
  std::string nearest = nearest_name(path.filename().string(), names);
  return nearest.empty() ? "" : (path.parent_path() / nearest).string();
}

Diagnostic missing(const std::string& where, const std::string& kind, const fs::path& path) {
  std::string nearest = nearest_entry(path);
  std::string help =
      nearest.empty() ? "paths are taken from the folder you are in: " + fs::current_path().string()
                      : "did you mean '" + nearest + "'?";
  return {"N001", where, "no such " + kind + ": '" + path.string() + "'", help, ""};
}

void check(std::vector<Diagnostic>& mistakes, const std::string& where, const std::string& kind,
           const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) mistakes.push_back(missing(where, kind, path));
}

}  // namespace

void check_named_files(const Recipe& recipe, YamlReader yaml, bool without_model) {
  std::vector<Diagnostic> mistakes;
  YamlReader model = yaml.section("model"), data = yaml.section("data");
  if (recipe.model.path && !without_model)
    check(mistakes, model.where("path"), "model folder", *recipe.model.path);
  if (recipe.model.init) check(mistakes, model.where("init"), "facts file", *recipe.model.init);
  if (recipe.model.adapter)
    check(mistakes, model.where("adapter"), "adapter folder", *recipe.model.adapter);
  for (const data::Source& source : recipe.data.train)
    check(mistakes, source.where, "file", source.path);
  if (recipe.data.valid) {
    std::string where =
        data.is_section("valid") ? data.section("valid").where("path") : data.where("valid");
    check(mistakes, where, "file", *recipe.data.valid);
  }
  const std::vector<YamlReader> exports = yaml.sections("export");
  for (size_t i = 0; i < recipe.exports.size() && i < exports.size(); ++i)
    if (const auto& imatrix = recipe.exports[i].imatrix; imatrix && *imatrix != "auto")
      check(mistakes, exports[i].where("imatrix"), "file", *imatrix);
  if (!mistakes.empty()) throw UserError(std::move(mistakes));
}

}  // namespace slmtune::cli
