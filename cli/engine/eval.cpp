#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <sstream>

#include "cli/engine/commands.h"
#include "cli/engine/model_source.h"
#include "cli/engine/stored_rows.h"
#include "cli/engine/train_inputs.h"
#include "cli/output.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "data/rated_rows.h"
#include "eval/evaluate.h"
#include "lora/attach.h"
#include "store/snapshot_store.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMicroBatchTokens = 2048;
const std::vector<std::string> kMetrics = {"loss", "exact_match", "f1"};

// What to score and on which rows, from a recipe or from the options.
struct EvalPlan {
  std::string model;
  std::optional<std::string> chat_template;
  data::DataConfig data;
  std::vector<std::string> metrics = kMetrics;
  std::optional<Recipe> recipe;
  DeviceFlags device;
};

struct ScoredModel {
  std::string label;
  eval::Score score;
};

std::vector<std::string> split_metrics(const std::string& text) {
  std::vector<std::string> metrics;
  std::istringstream stream(text);
  for (std::string metric; std::getline(stream, metric, ',');) {
    if (std::find(kMetrics.begin(), kMetrics.end(), metric) == kMetrics.end()) {
      std::string nearest = nearest_name(metric, kMetrics);
      throw UserError("U011", "--metrics", "unknown metric '" + shown(metric) + "'",
                      nearest.empty() ? "choose from " + quoted_list(kMetrics)
                                      : "did you mean '" + nearest + "'?");
    }
    metrics.push_back(metric);
  }
  return metrics;
}

// The newest snapshot of the recipe's store, or the base when nothing was trained yet.
std::string model_of(const Recipe& recipe) {
  if (fs::is_directory(recipe.store / "snapshots")) {
    store::SnapshotStore store = store::SnapshotStore::open(recipe.store);
    if (store.aliases().count("latest")) return recipe.store.string() + "#latest";
  }
  if (recipe.model.path) return *recipe.model.path;
  if (recipe.model.from) return *recipe.model.from;
  throw UserError("S001", recipe.store.string(), "nothing was trained with this recipe yet",
                  "run 'slmtune train' first");
}

EvalPlan plan_from(const EvalOptions& options) {
  EvalPlan plan;
  plan.model = options.what;
  plan.device = options.device;
  if (is_recipe_path(options.what)) {
    plan.recipe = read_recipe(options.what, {}, options.device);
    plan.model = model_of(*plan.recipe);
    plan.data = plan.recipe->data;
    plan.metrics = plan.recipe->eval.metrics;
    plan.chat_template = plan.recipe->model.chat_template;
    if (options.device.device.empty()) plan.device.device = plan.recipe->model.device;
    plan.device.dtype = plan.recipe->model.dtype;
  } else {
    if (options.data.empty())
      throw UserError("U003", "slmtune", "--data is required",
                      "name the JSONL file to score the model on");
    plan.data.max_tokens = std::numeric_limits<int64_t>::max();
  }
  if (!options.chat_template.empty()) plan.chat_template = options.chat_template;
  if (!options.metrics.empty()) plan.metrics = split_metrics(options.metrics);
  if (!options.data.empty()) {
    plan.data.valid = options.data;
    plan.data.valid_fraction = 0;
  }
  return plan;
}

struct EvalRows {
  data::Dataset rows;
  std::vector<eval::Question> questions;
  std::string from;
};

// Of rated answers only the good ones are scored.
void score_good_answers(data::Dataset& rows) {
  const data::RatedCounts counts = data::count_rated(rows.rows);
  if (counts.pairs + counts.bad == 0) return;
  log_info(fmt::format("scored are the {} answers that were chosen or got a thumb up",
                       counts.pairs + counts.good));
  rows = data::good_answers(rows);
}

EvalRows load_eval_rows(const EvalPlan& plan, const LoadedModel& loaded) {
  data::DataConfig config = plan.data;
  int64_t context = loaded.model->config().max_positions;
  if (context > 0) config.max_tokens = std::min(config.max_tokens, context);
  EvalRows result;
  std::optional<data::TokenCache> cache;  // of the recipe's training
  if (plan.recipe)
    cache.emplace(plan.recipe->store / kTokenCacheName,
                  data::tokeniser_settings(loaded.text.tokenizer, loaded.text.chat, config.format),
                  loaded.text.tokenizer.size(), data::TokenCache::Use::kRead);
  data::TokenCache* known = cache ? &*cache : nullptr;
  if (config.valid) {
    data::Source source{*config.valid, 1.0};
    result.rows = read_rows({&source, 1}, config, loaded.text, known);
    result.from = config.valid->string();
  } else if (config.valid_fraction > 0) {
    data::Dataset train = read_rows(config.train, config, loaded.text, known);
    result.rows = data::split_validation(train, config.valid_fraction, plan.recipe->train.seed);
    result.from = "data.valid.fraction";
  } else {
    throw UserError("U003", "slmtune", "the recipe has no validation rows",
                    "name a JSONL file with --data");
  }
  score_good_answers(result.rows);
  if (!wants_answers(plan.metrics)) return result;
  result.questions = valid_questions(config, result.rows, loaded.text);
  if (result.questions.empty())
    log_warning("no row has an answer to compare: exact match and F1 are left out");
  return result;
}

eval::Score score_with(LoadedModel& loaded, const EvalRows& rows, const EvalOptions& options) {
  eval::Score score = eval::score_loss(*loaded.model, rows.rows.rows, kMicroBatchTokens);
  if (rows.questions.empty()) return score;
  eval::score_answers(*loaded.model, loaded.text.tokenizer, rows.questions, options.max_tokens,
                      score);
  return score;
}

std::string percent(const std::optional<double>& value) {
  return value ? fmt::format("{:.1f} %", 100 * *value) : "–";
}

void print_table(const std::vector<ScoredModel>& models, const EvalRows& rows) {
  size_t width = 5;
  for (const ScoredModel& model : models) width = std::max(width, model.label.size());
  print_line(fmt::format("{:<{}}  {:>9}  {:>11}  {:>11}  {:>8}", "model", width, "loss",
                         "perplexity", "exact match", "F1"));
  for (const ScoredModel& model : models)
    print_line(fmt::format("{:<{}}  {:>9.4f}  {:>11.2f}  {:>11}  {:>8}", model.label, width,
                           model.score.loss, model.score.perplexity,
                           percent(model.score.exact_match), percent(model.score.f1)));
  const eval::Score& first = models.front().score;
  print_line(fmt::format("{} rows, {} label tokens, {} answers ({})", rows.rows.rows.size(),
                         first.label_tokens, first.answers, rows.from));
}

OrderedJson scores_json(const std::vector<ScoredModel>& models, const EvalRows& rows) {
  OrderedJson json = {{"schema", 1},
                      {"data", rows.from},
                      {"rows", rows.rows.rows.size()},
                      {"models", OrderedJson::array()}};
  for (const ScoredModel& model : models) {
    OrderedJson entry = {{"model", model.label},
                         {"loss", model.score.loss},
                         {"label_tokens", model.score.label_tokens},
                         {"perplexity", model.score.perplexity}};
    if (model.score.exact_match) entry["exact_match"] = *model.score.exact_match;
    if (model.score.f1) entry["f1"] = *model.score.f1;
    entry["answers"] = model.score.answers;
    json["models"].push_back(entry);
  }
  return json;
}

}  // namespace

ExitCode run_eval(const EvalOptions& options, const Common& common) {
  EvalPlan plan = plan_from(options);
  auto adapter = options.adapter.empty() ? std::nullopt : std::optional(options.adapter);
  LoadedModel loaded = load_source(resolve_source(plan.model, adapter, GgufFiles::kTaken),
                                   plan.device, plan.chat_template);
  EvalRows rows = load_eval_rows(plan, loaded);
  std::vector<ScoredModel> models;
  if (loaded.lora) {
    lora::use_adapters(*loaded.model, false);
    models.push_back({"base", score_with(loaded, rows, options)});
    lora::use_adapters(*loaded.model, true);
  }
  models.push_back({loaded.source.label, score_with(loaded, rows, options)});
  if (common.json)
    print_json(scores_json(models, rows));
  else
    print_table(models, rows);
  return ExitCode::kDone;
}

}  // namespace slmtune::cli
