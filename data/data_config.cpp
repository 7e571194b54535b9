#include "data/data_config.h"

#include "data/formats/format.h"

namespace slmtune::data {
namespace {

namespace fs = std::filesystem;

struct Valid {
  std::optional<std::string> path;
  double fraction = 0.0;
};

const FieldTable<Source>& source_fields() {
  static const FieldTable<Source> table({
      field(&Source::path, {.key = "path",
                            .meaning = "a .jsonl file, or a folder with train.jsonl in it",
                            .example = "data/faq.jsonl",
                            .is_required = true}),
      field(&Source::weight, {.key = "weight",
                              .meaning = "2.0 takes every row twice an epoch, 0.5 half of the rows",
                              .unit = "times",
                              .range = above_to(0, 100)}),
  });
  return table;
}

void check_valid(Valid& valid, YamlReader& yaml) {
  if (valid.path && valid.fraction > 0)
    yaml.conflict("fraction", yaml.where("path"), "'data.valid' has both a path and a fraction",
                  "keep one of the two");
}

const FieldTable<Valid>& valid_fields() {
  static const FieldTable<Valid> table(
      {
          field(&Valid::path, {.key = "path",
                               .meaning = "a .jsonl file, or a folder with valid.jsonl in it",
                               .example = "data/faq_valid.jsonl"}),
          field(&Valid::fraction,
                {.key = "fraction",
                 .meaning = "share of the training rows that is held back instead "
                            "of a file",
                 .unit = "share",
                 .range = from_to(0, 0.5),
                 .example = "0.05",
                 .is_alternative = true}),
      },
      check_valid);
  return table;
}

const FieldTable<Replay>& replay_fields() {
  static const FieldTable<Replay> table({
      field(&Replay::fraction, {.key = "fraction",
                                .meaning = "so many rows that earlier snapshots were trained on and "
                                           "that are no longer in the data, per present row",
                                .unit = "share",
                                .range = from_to(0, 1),
                                .example = "0.1"}),
  });
  return table;
}

std::string item_of(const std::string& key, size_t index) {
  return key + "[" + std::to_string(index) + "]";
}

void read_train(YamlReader& yaml, DataConfig& config) {
  if (yaml.is_section("train") || yaml.is_list_of_sections("train")) {
    for (YamlReader& entry : yaml.sections("train")) {
      config.train.push_back(source_fields().read(entry));
      config.train.back().where = entry.where("path");
    }
  } else if (yaml.is_list("train")) {
    for (const std::string& path : yaml.texts("train", {}))
      config.train.push_back({path, 1.0, yaml.where(item_of("train", config.train.size()))});
  } else if (const std::string path = yaml.required_text("train"); !path.empty()) {
    config.train.push_back({path, 1.0, yaml.where("train")});
  }
  if (config.train.empty() && yaml.has("train"))
    yaml.wrong_value("R006", "train", "'data.train' names no file", "add a .jsonl file");
}

std::string train_text(const DataConfig& config) {
  std::string text;
  for (const Source& source : config.train) text += "\n    - " + source_fields().flow(source);
  return text.empty() ? "null" : text;
}

void read_valid(YamlReader& yaml, DataConfig& config) {
  Valid valid;
  if (yaml.is_section("valid"))
    valid = valid_fields().read(yaml.section("valid"));
  else
    valid.path = yaml.optional_text("valid");
  if (valid.path) config.valid = *valid.path;
  config.valid_fraction = valid.fraction;
}

std::string valid_text(const DataConfig& config) {
  if (config.valid) return "{path: " + yaml_text(*config.valid) + "}";
  return config.valid_fraction > 0 ? "{fraction: " + yaml_text(config.valid_fraction) + "}"
                                   : "null";
}

std::vector<std::string> format_names() {
  std::vector<std::string> names{"auto"};
  for (const Format& format : formats()) names.emplace_back(format.name);
  return names;
}

Field<DataConfig> train_field() {
  FieldFacts facts{
      .key = "train",
      .meaning = "the rows to train on: a path, a list of paths, or a list of sections",
      .is_required = true,
      .is_one_or_many = true,
      .is_or_path = true};
  facts.kind = FieldFacts::Kind::kSections;
  facts.fields = source_fields().facts();
  return {std::move(facts), read_train, train_text};
}

Field<DataConfig> valid_field() {
  FieldFacts facts{
      .key = "valid",
      .meaning = "the rows to measure on, which are never trained: a path or a section",
      .is_or_path = true};
  facts.kind = FieldFacts::Kind::kSection;
  facts.fields = valid_fields().facts();
  return {std::move(facts), read_valid, valid_text};
}

Field<DataConfig> replay_field() {
  FieldFacts facts{
      .key = "replay",
      .meaning = "rows of earlier snapshots' data, mixed in so that they are not unlearned"};
  facts.kind = FieldFacts::Kind::kSection;
  facts.fields = replay_fields().facts();
  auto read = [](YamlReader& yaml, DataConfig& config) {
    config.replay = replay_fields().read(yaml.section("replay"));
  };
  auto text = [](const DataConfig& config) { return replay_fields().flow(config.replay); };
  return {std::move(facts), read, text};
}

void check_listed_twice(const DataConfig& config, YamlReader& yaml) {
  for (size_t i = 0; i < config.train.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (!config.train[i].path.empty() &&
          config.train[i].path.lexically_normal() == config.train[j].path.lexically_normal())
        return yaml.conflict(item_of("train", i), config.train[j].where,
                             "'" + config.train[i].path.string() + "' stands twice in 'data.train'",
                             "keep one, and write 'weight: 2' if its rows are to count twice");
}

// Folders stand for the files in them.
void resolve_folders(DataConfig& config) {
  if (config.valid && fs::is_directory(*config.valid)) *config.valid /= "valid.jsonl";
  const bool valid_is_open = !config.valid && config.valid_fraction == 0;
  if (valid_is_open && config.train.size() == 1 &&
      fs::is_regular_file(config.train[0].path / "valid.jsonl"))
    config.valid = config.train[0].path / "valid.jsonl";
  for (Source& source : config.train)
    if (fs::is_directory(source.path)) source.path /= "train.jsonl";
}

void check_data(DataConfig& config, YamlReader& yaml) {
  resolve_folders(config);
  check_listed_twice(config, yaml);
}

}  // namespace

const FieldTable<DataConfig>& DataConfig::fields() {
  using T = DataConfig;
  static const FieldTable<DataConfig> table(
      {
          train_field(),
          valid_field(),
          replay_field(),
          field(&T::format, {.key = "format",
                             .meaning = "shape of the rows; auto looks at the fields of each row",
                             .words = format_names()}),
          field(&T::max_tokens, {.key = "max_tokens",
                                 .meaning = "longest row, lowered to the model's context",
                                 .unit = "tokens",
                                 .range = from_to(16, 1 << 20)}),
          field(&T::too_long,
                {.key = "too_long",
                 .meaning = "what is done with a longer row: refuse it, leave it out, "
                            "or cut off its end",
                 .words = {"refuse", "drop", "truncate"}}),
          field(&T::pack, {.key = "pack",
                           .meaning = "several rows in one micro-batch, kept apart: faster, same "
                                      "result"}),
      },
      check_data);
  return table;
}

}  // namespace slmtune::data
