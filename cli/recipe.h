// A recipe: one YAML file that says everything about a training run. Each module has the table of
// its own section; this file puts them together, checks what no section can see alone, and prints
// the resolved result.
//
//   Recipe recipe = read_recipe("recipes/faq.yaml", {"train.epochs=3"});   // every mistake at once
//   print(recipe_text(recipe));                                            // every key, defaults
//   included
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "core/field_table.h"
#include "data/data_config.h"
#include "lora/lora_config.h"
#include "train/train_config.h"

namespace slmtune::cli {

// Exactly one of path, from and init is set.
struct ModelChoice {
  std::optional<std::string> path;     // Hugging Face folder
  std::optional<std::string> from;     // snapshot to continue: 'STORE#latest'
  std::optional<std::string> init;     // facts file: fresh weights from the seed
  std::optional<std::string> adapter;  // PEFT folder to continue, beside `path`
  std::string quant = "none", dtype = "auto", device = "auto";
  std::optional<std::string> chat_template;  // model.template; absent = recognised from the folder

  static const FieldTable<ModelChoice>& fields();
};

struct ExportChoice {
  std::string format = "gguf";    // gguf | gguf-lora | hf
  std::string encoding = "q8_0";  // of a GGUF file: a word of export/mixtures
  std::optional<std::string> to;  // absent: <store>/exports/<number>/
  std::optional<std::string> imatrix;  // importance matrix of a GGUF file: a path, or "auto"
  bool verify = true;             // GGUF: ask the written model before it is published
  // Absent: by the encoding (export/verify/verify_limits.h).
  std::optional<double> max_perplexity_increase, min_greedy_agreement;

  static const FieldTable<ExportChoice>& fields();
};

struct Recipe {
  std::string name;
  std::filesystem::path store;
  ModelChoice model;
  std::string method = "lora", objective = "sft";  // lora | full; sft | dpo | kto
  lora::LoraConfig lora;
  bool has_lora_section = false;
  data::DataConfig data;
  train::TrainConfig train;
  train::EvalConfig eval;
  std::vector<ExportChoice> exports;
  train::BudgetConfig budget;

  static const FieldTable<Recipe>& fields();
};

// Reads, applies `settings` (--set) and the flags, and checks: UserError with all mistakes of form
// at once (R…), then with all named files that do not exist (N001), before any model is loaded.
// Touches nothing.
// `without_model`: model.path need not be there, since only its published facts are asked for.
Recipe read_recipe(const std::filesystem::path& path, const std::vector<std::string>& settings,
                   const DeviceFlags& flags = {}, bool without_model = false);

// The recipe that a run has kept: the files that it names need not be there any more.
Recipe read_kept_recipe(const std::filesystem::path& path);

// Resolved recipe as YAML, the same bytes for the same recipe; reading it gives the recipe again.
std::string recipe_text(const Recipe& recipe);

// Sets the defaults that depend on the objective, and adds what does not go with it to `yaml`:
// R007.
void apply_objective(Recipe& recipe, YamlReader& yaml);

// Adds what is wrong between sections to `yaml`: R007.
void check_conflicts(const Recipe& recipe, YamlReader& yaml);

// The files and folders that `recipe` names; `yaml` gives the places. UserError N001 with all that
// are missing.
void check_named_files(const Recipe& recipe, YamlReader yaml, bool without_model = false);

// True for a path that names a recipe rather than a model or snapshot.
bool is_recipe_path(const std::string& text);

}  // namespace slmtune::cli
