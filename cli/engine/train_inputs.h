// What a recipe starts from, found and checked before any weight is read: model folder or facts,
// tokenizer, template, rows.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/engine/init_facts.h"
#include "cli/engine/model_source.h"
#include "cli/recipe.h"
#include "core/json.h"
#include "data/loader.h"
#include "eval/evaluate.h"

namespace slmtune::cli {

struct ModelInputs {
  std::optional<InitFacts> facts;  // model.init
  std::filesystem::path base;      // Hugging Face folder; with facts: the tokenizer's folder
  std::string base_name;           // as the user wrote it, for adapter_config.json and cards
  std::optional<std::filesystem::path> adapter;  // PEFT folder to continue
  std::optional<std::filesystem::path> parent;   // snapshot that is continued
  models::ModelConfig config;
  TextSide text;
};

// N001, N002, S…, F03x, F05x; R007 when the snapshot does not fit the method.
ModelInputs find_model_inputs(const Recipe& recipe);

// data::load_dataset for the rows of `text`; when a conversation meets a model whose template is
// not known, the error says so instead of that there is none.
data::Dataset read_rows(std::span<const data::Source> sources, const data::DataConfig& config,
                        const TextSide& text, data::TokenCache* cache = nullptr);

// `recipe` as this CPU computes it fastest: where a frozen base is wanted in bfloat16 and the CPU has
// no matrix unit for that, the arithmetic is float32, and weights that are not quantised stay in 16
// bits (model.quant: bf16). Other recipes, and those that run on a GPU, as they are. `device` is the
// command's flag.
Recipe suited_to_cpu(const Recipe& recipe, const std::string& device,
                     const models::ModelConfig& config);

struct TrainRows {
  data::Dataset train;
  std::optional<data::Dataset> valid;
  data::DataConfig config;  // max_tokens lowered to the model's context
};

// Reads and tokenises everything the recipe trains and validates on; says the counts on stderr.
// `cache` may be null: nothing is written then.
TrainRows load_rows(const Recipe& recipe, const ModelInputs& inputs,
                    data::TokenCache* cache = nullptr);

// Whether one of the metrics compares answers (all but loss do).
bool wants_answers(const std::vector<std::string>& metrics);

// Those of the validation rows `valid`, read with `config`, that have an answer to compare.
std::vector<eval::Question> valid_questions(const data::DataConfig& config,
                                            const data::Dataset& valid, const TextSide& text);

// Hashes that must be the same for a run to go on: base, adapter, data, tokenizer, template.
std::map<std::string, std::string> identity_of(const Recipe& recipe, const ModelInputs& inputs,
                                               const TrainRows& rows);

OrderedJson counts_json(const data::Dataset& rows);
OrderedJson rows_json(const TrainRows& rows);  // counts of train and valid

}  // namespace slmtune::cli
