#include "cli/engine/run_identity.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "core/field_table.h"
#include "core/sha256.h"
#include "core/version.h"
#include "data/packer.h"

namespace slmtune::cli {
namespace {

// Keys that change when a run is saved, stopped or scored, but nothing that it learns; and the
// sources of rows, which stand here by their content.
constexpr std::array<std::string_view, 5> kFree = {"train.save_minutes", "train.max_minutes",
                                                   "eval.metrics", "data.train", "data.valid"};

constexpr size_t kRowsAtOnce = 4096;  // of a mapped file in memory

// Keys of `table` as "section.key".
template <typename Config>
void add_settings(train::Identity& identity, const std::string& section,
                  const FieldTable<Config>& table, const Config& config) {
  for (const auto& [key, value] : table.values(config)) {
    std::string field = section + "." + key;
    if (std::find(kFree.begin(), kFree.end(), field) == kFree.end()) identity[field] = value;
  }
}

// Ids and labels of all rows, in order: what the tokenizer, the template and the limits made.
std::string content_hash(const data::Dataset& rows) {
  Hasher hasher(HashKind::kSha256);
  for (size_t i = 0; i < rows.rows.size(); ++i) {
    const data::Tokens row = rows.rows[i].tokens();
    const uint64_t length = row.ids.size();
    hasher.update(std::as_bytes(std::span(&length, 1)));
    hasher.update(std::as_bytes(std::span(&row.mark, 1)));
    hasher.update(std::as_bytes(std::span(row.ids)));
    hasher.update(std::as_bytes(std::span(row.labels)));
    if (i % kRowsAtOnce == 0) rows.rows.release();
  }
  return hasher.finish();
}

void add_rows(train::Identity& identity, const std::string& name, const data::Dataset& rows) {
  identity[name + ".rows"] = std::to_string(rows.rows.size());
  identity[name + ".tokens"] = std::to_string(rows.counts.tokens);
  identity[name + ".trained_tokens"] = std::to_string(rows.counts.trained_tokens);
  identity[name + ".content"] = content_hash(rows);
}

void add_data(train::Identity& identity, const TrainRows& rows) {
  add_settings(identity, "data", data::DataConfig::fields(), rows.config);
  for (size_t i = 0; i < rows.config.train.size(); ++i) {
    const data::Source& source = rows.config.train[i];
    const std::string field = fmt::format("data.train[{}]", i);
    identity[field + ".file"] = sha256_file(data::data_file(source));
    identity[field + ".weight"] = fmt::format("{}", source.weight);
  }
  add_rows(identity, "data.train", rows.train);
  if (rows.valid) add_rows(identity, "data.valid", *rows.valid);
  identity["data.packing"] = std::to_string(data::kPackingVersion);
}

void add_model(train::Identity& identity, const Recipe& recipe, const ModelInputs& inputs,
               const std::map<std::string, std::string>& hashes) {
  const models::ModelConfig& config = inputs.config;
  identity["model.base"] = hashes.at("base");
  identity["model.config"] = sha256(config.json.dump());
  identity["model.architecture"] = config.architecture;
  identity["model.vocabulary"] = std::to_string(config.vocab_size);
  identity["model.quant"] = recipe.model.quant;
  identity["model.tokenizer"] = hashes.at("tokenizer");
  identity["model.template"] = inputs.text.chat ? std::string(inputs.text.chat->name) : "none";
  identity["model.adapter"] = hashes.contains("adapter") ? hashes.at("adapter") : "none";
}

// What may change the last bit of a sum.
void add_machine(train::Identity& identity, const kernels::DeviceChoice& device) {
  identity["kernel.device"] = c10::DeviceTypeName(device.device.type(), /*lower_case=*/true);
  identity["kernel.dtype"] = std::string(c10::toString(device.dtype));
  identity["kernel.processor"] = device.processor;
  identity["kernel.threads"] = std::to_string(at::get_num_threads());
  identity["version.slmtune"] = version();
  identity["version.libtorch"] = TORCH_VERSION;
}

}  // namespace

train::Identity run_identity(const Recipe& recipe, const ModelInputs& inputs, const TrainRows& rows,
                             const kernels::DeviceChoice& device,
                             const std::map<std::string, std::string>& hashes) {
  train::Identity identity = {{"method", recipe.method}, {"objective", recipe.objective}};
  add_model(identity, recipe, inputs, hashes);
  if (recipe.method == "lora" && !inputs.adapter)
    add_settings(identity, "lora", lora::LoraConfig::fields(), recipe.lora);
  else if (inputs.adapter)
    identity["lora.plus_ratio"] = fmt::format("{}", recipe.lora.plus_ratio);
  add_data(identity, rows);
  add_settings(identity, "train", train::TrainConfig::fields(), recipe.train);
  add_settings(identity, "eval", train::EvalConfig::fields(), recipe.eval);
  add_machine(identity, device);
  return identity;
}

bool shapes_weights(const std::string& field) {
  static constexpr std::array<std::string_view, 10> kFields = {
      "method",       "model.base", "model.config", "model.architecture", "model.vocabulary",
      "lora.variant", "lora.rank",  "lora.targets", "lora.init",          "train.optimizer"};
  return std::find(kFields.begin(), kFields.end(), field) != kFields.end();
}

}  // namespace slmtune::cli
