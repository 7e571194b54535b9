#include "cli/engine/plan_inputs.h"

#include <algorithm>
#include <functional>

#include "cli/engine/stored_rows.h"
#include "core/error.h"
#include "core/text.h"
#include "models/facts.h"
#include "train/rehearsal.h"
#include "train/run_plan.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

// English has 4 to 4.5 bytes of text a token; a chat template adds a few tokens to every message.
constexpr int64_t kBytesPerToken = 4, kTokensPerMessage = 4;

PlanRows counted(const Recipe& recipe, const TrainRows& loaded) {
  const data::DataCounts& counts = loaded.train.counts;
  PlanRows rows;
  rows.rows = train::row_count(loaded.train);
  rows.tokens = counts.tokens;
  rows.trained_tokens = counts.trained_tokens;
  rows.longest = counts.longest;
  rows.truncated = counts.truncated;
  rows.dropped = counts.dropped_too_long;
  rows.duplicates = counts.duplicates;
  rows.mean_tokens = static_cast<double>(counts.tokens) /
                     static_cast<double>(std::max<size_t>(1, loaded.train.rows.size()));
  rows.lengths =
      train::row_lengths(loaded.train.rows, loaded.config.pack ? recipe.train.batch_rows : 1);
  if (loaded.valid) rows.valid_tokens = loaded.valid->counts.tokens;
  return rows;
}

// Estimated tokens of a row and of what trains in it.
struct Length {
  int64_t tokens = 0, trained = 0;
};

Length estimated(const data::Example& example) {
  Length length;
  const auto add = [&](const std::string& text, bool trains, int64_t more) {
    const int64_t tokens = static_cast<int64_t>(text.size()) / kBytesPerToken + more;
    length.tokens += tokens;
    length.trained += trains ? tokens : 0;
  };
  for (const data::Message& message : example.messages)
    add(message.text, message.train, kTokensPerMessage);
  for (const std::string& tool : example.tools) add(tool, false, 0);
  for (const data::Span& span : example.spans) add(span.text, span.train, 1);
  length.tokens += static_cast<int64_t>(example.ids.size());
  for (const int32_t label : example.labels) length.trained += label != data::kNotTrained;
  return length;
}

// Lengths of rows, with the limits of the recipe applied as far as an estimate can.
class Estimate {
 public:
  explicit Estimate(const Recipe& recipe) : recipe_(recipe) {}

  void add_file(const fs::path& path, double weight) {
    data::for_each_example(
        path, recipe_.data.format,
        [&](const data::Example& example, const std::string&) { add(example, weight); });
  }

  PlanRows rows() const {
    PlanRows rows = rows_;
    rows.is_estimated = true;
    rows.rows = static_cast<int64_t>(units_);
    rows.tokens = static_cast<int64_t>(tokens_);
    rows.trained_tokens = static_cast<int64_t>(trained_);
    rows.mean_tokens = tokens_ / std::max(1.0, texts_);
    std::vector<int64_t> lengths = lengths_;
    std::sort(lengths.begin(), lengths.end(), std::greater<>());
    lengths.resize(std::min(lengths.size(), static_cast<size_t>(step_rows())));
    rows.lengths = {lengths.empty() ? 0 : lengths.front(), 0};
    for (const int64_t length : lengths) rows.lengths.step += length;
    rows.lengths.mean = rows.mean_tokens;
    return rows;
  }

 private:
  int64_t step_rows() const { return recipe_.data.pack ? recipe_.train.batch_rows : 1; }

  void add(const data::Example& example, double weight) {
    int64_t unit = add_text(example, weight);
    for (const data::Example& other : example.rejected) unit += add_text(other, weight);
    if (unit == 0) return;
    units_ += weight;
    lengths_.push_back(unit);
  }

  // Tokens that are left of it; 0 when it is dropped.
  int64_t add_text(const data::Example& example, double weight) {
    Length length = estimated(example);
    if (length.tokens > recipe_.data.max_tokens) {
      ++rows_.too_long;
      if (recipe_.data.too_long == "drop") return ++rows_.dropped, 0;
      if (recipe_.data.too_long == "truncate") ++rows_.truncated;
      length.tokens = recipe_.data.max_tokens;
      length.trained = std::min(length.trained, length.tokens);
    }
    texts_ += weight;
    tokens_ += weight * static_cast<double>(length.tokens);
    trained_ += weight * static_cast<double>(length.trained);
    rows_.longest = std::max(rows_.longest, length.tokens);
    return length.tokens;
  }

  const Recipe& recipe_;
  PlanRows rows_;
  double units_ = 0, texts_ = 0, tokens_ = 0, trained_ = 0;
  std::vector<int64_t> lengths_;
};

PlanRows estimated_rows(const Recipe& recipe) {
  Estimate train(recipe);
  for (const data::Source& source : recipe.data.train)
    train.add_file(data::data_file(source), source.weight);
  PlanRows rows = train.rows();
  if (recipe.data.valid) {
    Estimate valid(recipe);
    valid.add_file(data::data_file({*recipe.data.valid, 1.0}), 1.0);
    rows.valid_tokens = valid.rows().tokens;
    return rows;
  }
  const double kept = 1.0 - recipe.data.valid_fraction;
  const auto keep = [&](int64_t& count) {
    count = static_cast<int64_t>(static_cast<double>(count) * kept);
  };
  rows.valid_tokens = rows.tokens;
  for (int64_t* count : {&rows.rows, &rows.tokens, &rows.trained_tokens}) keep(*count);
  rows.valid_tokens -= rows.tokens;
  rows.rows = std::max<int64_t>(1, rows.rows);
  return rows;
}

std::vector<std::string> known_models() {
  std::vector<std::string> names;
  for (const auto& [name, text] : models::embedded_models()) names.emplace_back(name);
  return names;
}

// A folder with config.json, or published facts where it is not there.
PlanInputs from_path(const Recipe& recipe) {
  const fs::path folder = *recipe.model.path;
  PlanInputs inputs;
  inputs.model = folder.string();
  if (recipe.model.adapter) inputs.adapter = *recipe.model.adapter;
  if (fs::exists(folder / "config.json")) {
    inputs.config = models::ModelConfig::load(folder);
    inputs.origin = "folder";
    return inputs;
  }
  const auto facts = models::find_facts(folder.string());
  if (!facts || fs::exists(folder)) {
    const std::string nearest = nearest_name(folder.filename().string(), known_models());
    throw UserError("N004", folder.string(),
                    fs::exists(folder) ? "no config.json in this folder"
                                       : "no such model folder, and no published model of that "
                                         "name is known",
                    nearest.empty() ? "known without a folder are " + quoted_list(known_models())
                                    : "did you mean '" + nearest + "'?");
  }
  inputs.config = facts->config;
  inputs.origin = "facts";
  inputs.model = facts->name;
  return inputs;
}

PlanInputs from_model_inputs(const Recipe& recipe, const ModelInputs& found) {
  PlanInputs inputs{.config = found.config,
                    .origin = found.facts    ? "init"
                              : found.parent ? "snapshot"
                                             : "folder",
                    .model = found.base_name,
                    .adapter = found.adapter};
  inputs.rows = counted(recipe, load_rows_to_look(recipe, found));
  return inputs;
}

bool has_tokenizer(const Recipe& recipe) {
  return !recipe.model.path || (fs::exists(fs::path(*recipe.model.path) / "config.json") &&
                                data::Tokenizer::find_file(*recipe.model.path));
}

}  // namespace

PlanInputs find_plan_inputs(const Recipe& recipe) {
  PlanInputs inputs;
  if (has_tokenizer(recipe)) {
    inputs = from_model_inputs(recipe, find_model_inputs(recipe));
  } else {
    inputs = from_path(recipe);
    inputs.rows = estimated_rows(recipe);
  }
  inputs.steps = train::total_steps(recipe.train, inputs.rows.rows);
  const int64_t batches =
      (inputs.rows.rows + recipe.train.batch_rows - 1) / recipe.train.batch_rows;
  inputs.epochs = static_cast<double>(inputs.steps) / static_cast<double>(batches);
  return inputs;
}

}  // namespace slmtune::cli
