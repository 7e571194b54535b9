#include "data/data_config.h"

#include "core/text.h"
#include "data/formats/format.h"

namespace slmtune::data {
namespace {

constexpr double kMaxWeight = 100;

std::vector<Source> parse_train(YamlReader& section) {
  std::vector<Source> sources;
  if (section.is_section("train") || section.is_list_of_sections("train")) {
    for (YamlReader& entry : section.sections("train")) {
      Source source;
      source.path = entry.required_text("path");
      source.weight = entry.number("weight", 1.0, {0.0, kMaxWeight});
      source.where = entry.where("path");
      if (source.weight == 0)
        entry.mistake("R004", "weight", "'weight' must be above 0", "leave the source out instead");
      entry.finish();
      sources.push_back(std::move(source));
    }
  } else if (section.is_list("train")) {
    for (const std::string& path : section.texts("train", {}))
      sources.push_back({path, 1.0, section.where("train")});
  } else if (const std::string path = section.required_text("train"); !path.empty()) {
    sources.push_back({path, 1.0, section.where("train")});
  }
  if (sources.empty() && section.has("train"))
    section.mistake("R006", "train", "'data.train' names no file", "add a .jsonl file");
  return sources;
}

void parse_valid(YamlReader& section, DataConfig& config) {
  if (!section.is_section("valid")) {
    if (auto path = section.optional_text("valid")) config.valid = *path;
    return;
  }
  YamlReader valid = section.section("valid");
  if (auto path = valid.optional_text("path")) config.valid = *path;
  config.valid_fraction = valid.number("fraction", 0.0, {0.0, 0.5});
  if (config.valid && config.valid_fraction > 0)
    valid.mistake("R004", "fraction", "'valid' has both a path and a fraction",
                  "keep one of the two");
  valid.finish();
}

// Folders stand for the files in them.
void resolve_folders(DataConfig& config) {
  namespace fs = std::filesystem;
  if (config.valid && fs::is_directory(*config.valid)) *config.valid /= "valid.jsonl";
  const bool valid_is_open = !config.valid && config.valid_fraction == 0;
  if (valid_is_open && config.train.size() == 1 &&
      fs::is_regular_file(config.train[0].path / "valid.jsonl"))
    config.valid = config.train[0].path / "valid.jsonl";
  for (Source& source : config.train)
    if (fs::is_directory(source.path)) source.path /= "train.jsonl";
}

}  // namespace

DataConfig DataConfig::parse(YamlReader section) {
  DataConfig config;
  config.train = parse_train(section);
  parse_valid(section, config);
  std::vector<std::string> shapes{"auto"};
  for (const Format& format : formats()) shapes.emplace_back(format.name);
  config.format = section.choice("format", config.format, shapes);
  config.max_tokens = section.integer("max_tokens", config.max_tokens, {16, 1 << 20});
  config.too_long = section.choice("too_long", config.too_long, {"refuse", "drop", "truncate"});
  config.pack = section.flag("pack", config.pack);
  section.finish();
  resolve_folders(config);
  return config;
}

}  // namespace slmtune::data
