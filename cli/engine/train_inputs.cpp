#include "cli/engine/train_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/log.h"
#include "core/sha256.h"
#include "data/rated_rows.h"
#include "export/export.h"
#include "export/gguf/gguf_lora.h"
#include "kernels/device.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kUsefulVotes = 100, kUsefulOfAKind = 20;

ModelInputs from_facts(const Recipe& recipe) {
  InitFacts facts = read_init_facts(*recipe.model.init);
  std::string chat = recipe.model.chat_template.value_or(facts.chat_template);
  ModelInputs inputs{facts,
                     facts.tokenizer,
                     *recipe.model.init,
                     {},
                     {},
                     facts.config,
                     load_text_side(facts.tokenizer, chat)};
  return inputs;
}

// Before the rows are read: what the recipe asks of a base whose files are in 4 bits.
void check_stored_quant(const Recipe& recipe, const models::ModelConfig& config) {
  models::quant_of(config, recipe.model.quant);
  if (config.stored_quant == "none") return;
  if (recipe.method == "full")
    throw UserError("R007", "method",
                    "method full cannot train a base that is stored in 4 bits (" +
                        config.stored_quant + ")",
                    "write 'method: lora', or name the folder of the 16-bit model");
  log_info("base: stored in 4 bits (" + config.stored_quant + " of bitsandbytes), and kept so");
}

ModelInputs from_source(const Recipe& recipe, const ModelSource& source, const std::string& name) {
  models::ModelConfig config = models::ModelConfig::load(source.base);
  check_stored_quant(recipe, config);
  return {{},
          source.base,
          name,
          source.adapter,
          source.snapshot,
          config,
          load_text_side(source.base, recipe.model.chat_template)};
}

ModelInputs from_snapshot(const Recipe& recipe) {
  ModelSource source = resolve_source(*recipe.model.from, std::nullopt);
  if (source.adapter && recipe.method == "full")
    throw UserError("R007", "model.from",
                    "method full cannot continue '" + *recipe.model.from + "', which is an adapter",
                    "merge it into its base first with 'slmtune merge', or write 'method: lora'");
  return from_source(recipe, source, source.base.string());
}

void say_counts(const char* name, const data::Dataset& rows) {
  const data::DataCounts& c = rows.counts;
  std::string text = fmt::format("{}: {} rows, {} tokens ({} trained), longest {}", name,
                                 rows.rows.size(), c.tokens, c.trained_tokens, c.longest);
  auto add = [&](int64_t count, const char* what) {
    if (count > 0) text += fmt::format(", {} {}", count, what);
  };
  const data::RatedCounts rated = data::count_rated(rows.rows);
  add(rated.pairs, "pairs");
  add(rated.good, "thumbs up");
  add(rated.bad, "thumbs down");
  add(c.dropped_too_long, "dropped as too long");
  add(c.truncated, "truncated");
  add(c.duplicates, "duplicates");
  add(c.empty, "empty");
  add(c.cached, "from the cache");
  log_info(text);
}

// What is known to go wrong with votes, before a night is spent on it.
void advise_on_votes(const Recipe& recipe, const data::Dataset& rows) {
  if (recipe.objective != "kto") return;
  const data::RatedCounts votes = data::count_rated(rows.rows);
  if (votes.good + votes.bad < kUsefulVotes || std::min(votes.good, votes.bad) < kUsefulOfAKind)
    log_warning(fmt::format("{} thumbs up and {} thumbs down are few: a useful run has {} votes and "
                            "{} of either kind",
                            votes.good, votes.bad, kUsefulVotes, kUsefulOfAKind));
  const double up = static_cast<double>(votes.good) * recipe.train.desirable_weight,
               down = static_cast<double>(votes.bad) * recipe.train.undesirable_weight;
  if (votes.good > 0 && votes.bad > 0 && (up > 2 * down || down > 2 * up))
    log_info(fmt::format("thumbs up and down count {:.2g} : 1; both would count alike with "
                         "train.undesirable_weight: {:.2g}",
                         up / down, recipe.train.undesirable_weight * up / down));
}

std::string folder_hash(const fs::path& folder, bool (*is_part)(const fs::path&)) {
  std::set<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file() && is_part(entry.path())) files.insert(entry.path());
  std::string text;
  for (const fs::path& file : files)
    text += file.filename().string() + " " + sha256_file(file) + "\n";
  return sha256(text);
}

bool is_weight_file(const fs::path& path) {
  return path.extension() == ".safetensors" || path.filename() == "config.json" ||
         path.filename() == "adapter_config.json";
}

}  // namespace

Recipe suited_to_cpu(const Recipe& recipe, const std::string& device,
                     const models::ModelConfig& config) {
  if (recipe.method == "full" || recipe.model.dtype != "bfloat16") return recipe;
  kernels::prepare_process();
  const kernels::DeviceChoice choice =
      kernels::choose_device(device.empty() ? recipe.model.device : device, recipe.model.dtype);
  if (!choice.device.is_cpu() || kernels::cpu_gains_from_bfloat16()) return recipe;
  Recipe suited = recipe;
  suited.model.dtype = "float32";
  if (recipe.model.quant == "none" && config.stored_quant == "none") suited.model.quant = "bf16";
  log_info("base: arithmetic in float32, which is faster than bfloat16 on this CPU; weights stay " +
           std::string(suited.model.quant == "bf16" ? "in bfloat16" : "in their few bits"));
  return suited;
}

ModelInputs find_model_inputs(const Recipe& recipe) {
  if (recipe.model.init) return from_facts(recipe);
  if (recipe.model.from) return from_snapshot(recipe);
  return from_source(recipe, resolve_source(*recipe.model.path, recipe.model.adapter),
                     *recipe.model.path);
}

data::Dataset read_rows(std::span<const data::Source> sources, const data::DataConfig& config,
                        const TextSide& text, data::TokenCache* cache) {
  try {
    return data::load_dataset(sources, config, text.tokenizer, text.chat, cache);
  } catch (const Error& error) {
    if (error.code() == "F041" && text.why_no_chat && text.why_no_chat->code == "F040")
      throw FileFormatError({*text.why_no_chat});
    throw;
  }
}

TrainRows load_rows(const Recipe& recipe, const ModelInputs& inputs, data::TokenCache* cache) {
  check_vocabulary(inputs.text.tokenizer, inputs.config, inputs.base.string());
  for (const ExportChoice& choice : recipe.exports) {
    if (choice.format == "gguf") exporting::check_gguf(inputs.config, inputs.base);
    if (choice.format == "gguf-lora")
      exporting::check_gguf_lora(inputs.config, recipe.lora.variant, inputs.base.string());
  }
  TrainRows rows{{}, {}, recipe.data};
  if (inputs.config.max_positions > 0 && rows.config.max_tokens > inputs.config.max_positions) {
    log_info(fmt::format("data.max_tokens: {} is lowered to {}, the model's context",
                         rows.config.max_tokens, inputs.config.max_positions));
    rows.config.max_tokens = inputs.config.max_positions;
  }
  rows.train = read_rows(rows.config.train, rows.config, inputs.text, cache);
  if (rows.config.valid) {
    data::Source source{*rows.config.valid, 1.0};
    rows.valid = read_rows({&source, 1}, rows.config, inputs.text, cache);
  } else if (rows.config.valid_fraction > 0) {
    rows.valid = data::split_validation(rows.train, rows.config.valid_fraction, recipe.train.seed);
  }
  data::check_objective(rows.train.rows, recipe.objective);
  if (rows.valid) data::check_objective(rows.valid->rows, recipe.objective);
  say_counts("train", rows.train);
  if (rows.valid) say_counts("valid", *rows.valid);
  advise_on_votes(recipe, rows.train);
  return rows;
}

bool wants_answers(const std::vector<std::string>& metrics) {
  return std::any_of(metrics.begin(), metrics.end(),
                     [](const std::string& metric) { return metric != "loss"; });
}

std::vector<eval::Question> valid_questions(const data::DataConfig& config,
                                            const data::Dataset& valid, const TextSide& text) {
  std::vector<fs::path> files;
  if (config.valid)
    files.push_back(*config.valid);
  else
    for (const data::Source& source : config.train) files.push_back(source.path);
  std::set<std::string> places;
  for (size_t i = 0; i < valid.rows.size(); ++i) places.insert(valid.rows.place(i));
  std::vector<eval::Question> questions;
  for (const fs::path& file : files)
    for (eval::Question& question :
         eval::questions(file, config.format, text.tokenizer, text.chat, &places))
      questions.push_back(std::move(question));
  return questions;
}

std::map<std::string, std::string> identity_of(const Recipe& recipe, const ModelInputs& inputs,
                                               const TrainRows& rows) {
  std::map<std::string, std::string> identity;
  identity["base"] = inputs.facts
                         ? sha256(inputs.config.json.dump() + std::to_string(recipe.train.seed))
                         : folder_hash(inputs.base, is_weight_file);
  if (inputs.adapter) identity["adapter"] = folder_hash(*inputs.adapter, is_weight_file);
  identity["dataset"] = sha256(rows.train.sha256 + (rows.valid ? rows.valid->sha256 : ""));
  identity["tokenizer"] = sha256_file(inputs.text.tokenizer.file());
  identity["template"] = inputs.text.chat ? sha256(inputs.text.chat->name) : "";
  return identity;
}

OrderedJson counts_json(const data::Dataset& rows) {
  const data::DataCounts& c = rows.counts;
  OrderedJson json = {{"rows", rows.rows.size()},
                      {"tokens", c.tokens},
                      {"trained_tokens", c.trained_tokens},
                      {"longest", c.longest},
                      {"dropped_too_long", c.dropped_too_long},
                      {"truncated", c.truncated},
                      {"duplicates", c.duplicates},
                      {"cached", c.cached}};
  const data::RatedCounts rated = data::count_rated(rows.rows);
  if (rated.pairs > 0) json["pairs"] = rated.pairs;
  if (rated.good + rated.bad > 0) {
    json["thumbs_up"] = rated.good;
    json["thumbs_down"] = rated.bad;
  }
  for (const auto& [snapshot, count] : c.replayed)
    json["replay"].push_back({{"snapshot", snapshot}, {"rows", count}});
  return json;
}

OrderedJson rows_json(const TrainRows& rows) {
  OrderedJson json = {{"train", counts_json(rows.train)}};
  if (rows.valid) json["valid"] = counts_json(*rows.valid);
  return json;
}

}  // namespace slmtune::cli
