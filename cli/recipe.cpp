#include "cli/recipe.h"

#include <algorithm>

#include "core/error.h"
#include "core/text.h"
#include "data/chat/chat_template.h"
#include "export/encodings/encoding.h"
#include "kernels/quant/names.h"

namespace slmtune::cli {
namespace {

bool is_safe_name(const std::string& name) {
  auto is_safe = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 100 && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), is_safe);
}

void parse_name(Recipe& recipe, YamlReader& yaml) {
  recipe.name = yaml.required_text("name");
  if (yaml.has("name") && !is_safe_name(recipe.name))
    yaml.mistake(
        "R008", "name",
        "'name' must be made of letters, digits, '.', '_' and '-', and not start with a dot",
        "it names the store's folder and the exported files");
  recipe.store = yaml.text("store", "runs/" + recipe.name);
  if (recipe.store.empty()) yaml.mistake("R008", "store", "'store' must name a folder");
}

void check_model_origin(const ModelChoice& model, YamlReader& yaml) {
  std::vector<std::string> given;
  for (const char* key : {"path", "from", "init"})
    if (yaml.has(key)) given.push_back(key);
  if (given.empty())
    yaml.mistake(
        "R006", "", "'model.path' is missing",
        "name a model folder with 'path', a snapshot with 'from', or a facts file with 'init'");
  if (given.size() > 1)
    yaml.mistake("R007", given[1],
                 "'model." + given[0] + "' and 'model." + given[1] + "' exclude each other",
                 "keep the one that says where the weights come from");
  if (model.adapter && !model.path)
    yaml.mistake("R007", "adapter",
                 "'model.adapter' needs 'model.path', the base model it belongs to",
                 model.from ? "a snapshot named by 'from' brings its own adapter" : "");
}

std::optional<std::string> parse_template(YamlReader& yaml) {
  std::optional<std::string> name = yaml.optional_text("template");
  if (!name) return name;
  std::vector<std::string> names;
  for (const data::ChatTemplate& row : data::ChatTemplate::all()) names.emplace_back(row.name);
  if (std::find(names.begin(), names.end(), *name) != names.end()) return name;
  std::string nearest = nearest_name(*name, names);
  yaml.mistake(
      "R040", "template", "unknown chat template '" + shown(*name) + "'",
      nearest.empty() ? "choose from " + quoted_list(names) : "did you mean '" + nearest + "'?");
  return name;
}

ModelChoice parse_model(YamlReader yaml) {
  ModelChoice model;
  model.path = yaml.optional_text("path");
  model.from = yaml.optional_text("from");
  model.init = yaml.optional_text("init");
  model.adapter = yaml.optional_text("adapter");
  model.quant = yaml.choice("quant", "none", kernels::quant_names());
  model.dtype = yaml.choice("dtype", "auto", {"auto", "float32", "bfloat16"});
  model.device = yaml.choice("device", "auto", {"auto", "cpu", "cuda"});
  model.chat_template = parse_template(yaml);
  check_model_origin(model, yaml);
  return model;
}

std::vector<std::string> encoding_names() {
  std::vector<std::string> names;
  for (const exporting::Encoding& row : exporting::encodings()) names.emplace_back(row.name);
  return names;
}

std::vector<ExportChoice> parse_exports(YamlReader& yaml) {
  std::vector<ExportChoice> exports;
  for (YamlReader& section : yaml.sections("export")) {
    ExportChoice choice;
    choice.format = section.choice("format", "gguf", {"gguf", "hf"});
    bool is_gguf = choice.format == "gguf";
    if (!is_gguf && section.has("encoding"))
      section.mistake("R007", "encoding", "'encoding' belongs to format gguf",
                      "a Hugging Face folder keeps the number type of the base model");
    choice.encoding = section.choice("encoding", is_gguf ? "q8_0" : "", encoding_names());
    choice.to = section.optional_text("to");
    exports.push_back(choice);
  }
  return exports;
}

void check_method(const Recipe& recipe, YamlReader& yaml) {
  if (recipe.method == "full" && recipe.has_lora_section)
    yaml.mistake("R007", "lora", "section 'lora' has no meaning with method full",
                 "remove the section, or write 'method: lora'");
  if (recipe.method == "full" && recipe.model.quant != "none")
    yaml.mistake("R007", "method",
                 "method full cannot train the quantised weights of 'model.quant: " +
                     recipe.model.quant + "'",
                 "write 'quant: none', or 'method: lora'");
  if (recipe.method == "full" && recipe.model.adapter)
    yaml.mistake("R007", "method", "method full cannot continue 'model.adapter'",
                 "merge it into its base first with 'slmtune merge'");
}

void check_validation(const Recipe& recipe, YamlReader& data) {
  if (!recipe.data.valid) return;
  for (const data::Source& source : recipe.data.train)
    if (source.path.lexically_normal() == recipe.data.valid->lexically_normal())
      data.mistake("R007", "valid", "'data.valid' is the same file as one of 'data.train'",
                   "a model is not measured on rows it was trained on: name another file, or write "
                   "'valid: {fraction: 0.05}'");
}

}  // namespace

bool is_recipe_path(const std::string& text) {
  return text.ends_with(".yaml") || text.ends_with(".yml");
}

Recipe read_recipe(const std::filesystem::path& path, const std::vector<std::string>& settings,
                   const DeviceFlags& flags) {
  YamlReader yaml = YamlReader::from_file(path);
  for (const std::string& setting : settings) yaml.set(setting);
  Recipe recipe;
  parse_name(recipe, yaml);
  recipe.model = parse_model(yaml.section("model"));
  recipe.method = yaml.choice("method", "lora", {"lora", "full"});
  recipe.objective = yaml.choice("objective", "sft", {"sft"});
  recipe.has_lora_section = yaml.has("lora");
  recipe.lora = lora::LoraConfig::parse(yaml.section("lora"));
  YamlReader data = yaml.section("data");
  recipe.data = data::DataConfig::parse(data);
  recipe.train = train::TrainConfig::parse(yaml.section("train"));
  recipe.eval = train::EvalConfig::parse(yaml.section("eval"));
  recipe.exports = parse_exports(yaml);
  check_method(recipe, yaml);
  check_validation(recipe, data);
  yaml.finish();
  if (!flags.device.empty()) recipe.model.device = flags.device;
  if (!flags.dtype.empty()) recipe.model.dtype = flags.dtype;
  check_named_files(recipe, yaml);
  return recipe;
}

}  // namespace slmtune::cli
