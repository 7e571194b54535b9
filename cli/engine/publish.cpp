#include "cli/engine/publish.h"

#include <fmt/format.h>

#include <cmath>

#include "cli/engine/exports.h"
#include "core/atomic_file.h"
#include "core/log.h"
#include "core/safetensors.h"
#include "core/sha256.h"
#include "core/version.h"
#include "lora/attach.h"
#include "lora/merge.h"
#include "lora/peft_files.h"
#include "store/forget.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

std::string score_line(const OrderedJson& metrics, const char* key, const char* title) {
  return metrics.contains(key) && metrics[key].is_number()
             ? fmt::format("| {} | {:.4f} |\n", title, metrics[key].get<double>())
             : "";
}

// The model card: origin, settings, scores. No text of the user's rows.
std::string card(const Recipe& recipe, const ModelInputs& inputs, const TrainRows& rows,
                 const OrderedJson& metrics, int64_t number) {
  bool is_lora = recipe.method == "lora";
  std::string text = "---\nlibrary_name: " + std::string(is_lora ? "peft" : "transformers") + "\n";
  if (inputs.facts && !inputs.facts->licence.empty())
    text += "license: " + inputs.facts->licence + "\n";
  text += fmt::format("---\n# {} #{}\n\n{} of `{}`, made by slmtune {}.\n\n", recipe.name, number,
                      is_lora ? "LoRA adapter" : "Full training", inputs.base_name, version());
  text += fmt::format(
      "| data | rows | tokens | trained tokens |\n|---|---|---|---|\n| train | {} | {} | {} |\n",
      rows.train.rows.size(), rows.train.counts.tokens, rows.train.counts.trained_tokens);
  if (rows.valid)
    text += fmt::format("| validation | {} | {} | {} |\n", rows.valid->rows.size(),
                        rows.valid->counts.tokens, rows.valid->counts.trained_tokens);
  text += "\n| score | value |\n|---|---|\n" +
          score_line(metrics, "train_loss", "training loss, last step") +
          score_line(metrics, "valid_loss", "validation loss") +
          score_line(metrics, "valid_perplexity", "validation perplexity") +
          score_line(metrics, "valid_reward_accuracy", "validation: better answer preferred") +
          score_line(metrics, "valid_reward_margin", "validation: reward margin") +
          score_line(metrics, "exact_match", "exact match") + score_line(metrics, "f1", "token F1");
  return text + "\n## Settings\n\n```yaml\n" + recipe_text(recipe) + "```\n";
}

void write_weights(const Recipe& recipe, const ModelInputs& inputs, TrainedModel& trained,
                   const fs::path& staging) {
  if (trained.lora) {
    lora::save_peft(*trained.model, *trained.lora, inputs.base_name, staging);
    copy_tokenizer_files(trained.folder, staging);
    return;
  }
  exporting::ModelParts parts{
      trained.model->config(),
      lora::dense_tensors(*trained.model, stored_dtype(trained.model->dtype)), trained.folder,
      recipe.name};
  exporting::write_hf_folder(parts, staging);
}

store::Manifest manifest_of(const Recipe& recipe, const ModelInputs& inputs,
                            const OrderedJson& metrics, const std::string& run,
                            const std::map<std::string, std::string>& identity) {
  store::Manifest manifest;
  manifest.run = run;
  manifest.name = recipe.name;
  manifest.method = recipe.method;
  manifest.hashes = identity;
  manifest.hashes["recipe"] = sha256(recipe_text(recipe));
  if (inputs.parent) {
    fs::path snapshot = inputs.parent->lexically_normal();
    fs::path parent_store = snapshot.parent_path().parent_path();
    manifest.parent =
        fmt::format("{}#{}", parent_store.string(), store::read_manifest(snapshot).number);
    manifest.hashes["parent"] = sha256_file(snapshot / "manifest.json");
  }
  manifest.base_path = fs::absolute(inputs.facts ? fs::path(inputs.base_name) : inputs.base)
                           .lexically_normal()
                           .string();
  if (inputs.config.stored_quant != "none") manifest.base_quant = inputs.config.stored_quant;
  manifest.metrics = metrics;
  return manifest;
}

// What `snapshots forget` looks rows up in.
void write_rows(const store::SnapshotStore& store, const ModelInputs& inputs,
                const data::Dataset& train, const fs::path& staging) {
  std::vector<store::RowDigest> digests;
  for (size_t i = 0; i < train.rows.size(); ++i) {
    // A source's weight repeats rows, one after the other.
    if (i > 0 && train.rows.is_copy(i)) continue;
    const data::Record record = train.rows[i].record();
    digests.push_back(record.row_key());
    digests.insert(digests.end(), record.field_keys().begin(), record.field_keys().end());
    if (i % 4096 == 0) train.rows.release();
  }
  const std::vector<fs::path> origins = store::origins_in(
      store, {inputs.parent.value_or(""), inputs.adapter.value_or(""), inputs.base});
  store::write_row_index(staging, store::RowKey::create_or_read(store.path()), digests, origins);
}

}  // namespace

DType stored_dtype(at::ScalarType dtype) {
  return dtype == at::kBFloat16 ? DType::kBF16
         : dtype == at::kHalf   ? DType::kF16
         : dtype == at::kDouble ? DType::kF64
                                : DType::kF32;
}

OrderedJson metrics_json(const std::string& objective, const train::TrainResult& result,
                         const RunScores& scores) {
  OrderedJson json = {
      {"schema", 1}, {"steps", result.state.step}, {"train_loss", result.last_loss}};
  if (result.valid_loss) {
    json["valid_loss"] = *result.valid_loss;
    if (objective == "sft") json["valid_perplexity"] = std::exp(*result.valid_loss);
  }
  if (!result.state.halvings.empty())
    json["halvings"] = train::halvings_json(result.state.halvings);
  for (const auto& [name, value] : result.state.metrics) json["train_" + name] = value;
  if (result.valid_loss)
    for (const auto& [name, value] : result.state.valid_metrics) json["valid_" + name] = value;
  if (scores.valid) {
    if (scores.valid->exact_match) json["exact_match"] = *scores.valid->exact_match;
    if (scores.valid->f1) json["f1"] = *scores.valid->f1;
    json["answers"] = scores.valid->answers;
  }
  return json;
}

store::SnapshotInfo publish_snapshot(store::SnapshotStore& store, const Recipe& recipe,
                                     const ModelInputs& inputs, const TrainRows& rows,
                                     TrainedModel& trained, const OrderedJson& metrics,
                                     const std::map<std::string, std::string>& identity,
                                     const std::string& run) {
  const int64_t number = store.claim();
  const fs::path staging = store.staging(number);
  try {
    write_weights(recipe, inputs, trained, staging);
    write_file(staging / "metrics.json", metrics.dump(2) + "\n");
    write_file(staging / "README.md", card(recipe, inputs, rows, metrics, number));
    write_file(staging / store::kRecipeName, recipe_text(recipe));
    write_rows(store, inputs, rows.train, staging);
    store::Manifest manifest = manifest_of(recipe, inputs, metrics, run, identity);
    manifest.number = number;
    return store.publish(std::move(manifest));
  } catch (...) {
    store.discard(number);  // a full disk gets its room back
    throw;
  }
}

OrderedJson export_snapshot(const Recipe& recipe, const ModelInputs& inputs, const TrainRows& rows,
                            TrainedModel& trained, const store::SnapshotInfo& snapshot) {
  const fs::path weights = trained.lora ? inputs.base : snapshot.path;
  lora::set_training(*trained.model, false);
  std::optional<LoadedModel> exact;
  ExportSource source;
  source.merged = [&] {
    return merged_model(*trained.model, weights, trained.folder, recipe.name);
  };
  source.text = [&]() -> const TextSide& { return inputs.text; };
  source.model = [&]() -> models::CausalLM& {
    // Merged are the base's own weights, not those that were rounded for training.
    if (recipe.model.quant == "none") return *trained.model;
    if (!exact) exact = load_to_ask(source.origin, {});
    return *exact->model;
  };
  source.held_out = [&](int64_t count) {
    const int64_t context = inputs.config.max_positions;
    return rows.valid ? held_out_rows(*rows.valid, "the run's validation rows", context, count)
                      : held_out_text(inputs.text.tokenizer, context, count);
  };
  source.origin = {snapshot_label(recipe, snapshot.number), weights, std::nullopt, snapshot.path};
  if (trained.lora) source.origin.adapter = snapshot.path;
  return make_exports(recipe, snapshot.number, source, /*keep=*/false);
}

}  // namespace slmtune::cli
