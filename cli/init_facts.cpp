#include "cli/init_facts.h"

#include <optional>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/yaml_reader.h"
#include "models/families/family.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

void put_sizes(YamlReader& yaml, Json& json) {
  for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers",
                          "num_attention_heads", "max_position_embeddings", "vocab_size"}) {
    auto value = yaml.optional_integer(key, {1, 1'000'000'000});
    if (!value && !yaml.has(key))
      yaml.mistake("R006", "", std::string("'") + key + "' is missing",
                   "add it with the value of the model's config.json");
    json[key] = value.value_or(1);
  }
  for (const char* key : {"num_key_value_heads", "head_dim"})
    if (auto value = yaml.optional_integer(key, {1, 1'000'000'000})) json[key] = *value;
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) {
    auto value = yaml.optional_integer(key, {0, 1'000'000'000});
    json[key] = value ? Json(*value) : Json();
  }
}

void put_numbers(YamlReader& yaml, Json& json) {
  json["rms_norm_eps"] = yaml.number("rms_norm_eps", 1e-6, {0.0, 1.0});
  json["rope_theta"] = yaml.number("rope_theta", 10000.0, {1.0, 1e12});
  json["initializer_range"] = yaml.number("initializer_range", 0.02, {0.0, 10.0});
  for (const char* key : {"tie_word_embeddings", "attention_bias", "mlp_bias"})
    json[key] = yaml.flag(key, false);
}

constexpr const char* kTokenizerFiles[] = {"tokenizer.json",
                                           "tokenizer_config.json",
                                           "special_tokens_map.json",
                                           "added_tokens.json",
                                           "vocab.json",
                                           "merges.txt",
                                           "chat_template.jinja",
                                           "chat_template.json"};

}  // namespace

InitFacts read_init_facts(const fs::path& path) {
  YamlReader yaml = YamlReader::from_file(path);
  InitFacts facts;
  Json json;
  facts.name = yaml.required_text("name");
  std::string architecture = yaml.required_text("architecture");
  facts.tokenizer = yaml.required_text("tokenizer");
  facts.chat_template = yaml.required_text("template");
  facts.licence = yaml.text("licence", "");
  put_sizes(yaml, json);
  put_numbers(yaml, json);
  yaml.finish();
  json["architectures"] = Json::array({architecture});
  if (const models::Family* family = models::find_family(architecture))
    json["model_type"] = std::string(family->model_type);
  json["hidden_act"] = "silu";
  json["torch_dtype"] = "float32";
  facts.config = models::ModelConfig::from_json(json, path.string());
  if (!fs::exists(facts.tokenizer / "tokenizer.json"))
    throw UserError("N001", yaml.where("tokenizer"),
                    "no such file: '" + (facts.tokenizer / "tokenizer.json").string() + "'",
                    "paths are taken from the folder you are in: " + fs::current_path().string());
  return facts;
}

void copy_tokenizer_files(const fs::path& from, const fs::path& to) {
  for (const char* name : kTokenizerFiles)
    if (fs::is_regular_file(from / name)) copy_file_atomically(from / name, to / name);
}

void write_init_folder(const InitFacts& facts, const fs::path& folder) {
  make_folder(folder);
  copy_tokenizer_files(facts.tokenizer, folder);
  write_file(folder / "config.json", facts.config.json.dump(2) + "\n");
  Json generation = {{"eos_token_id", facts.config.json["eos_token_id"]},
                     {"pad_token_id", facts.config.json["pad_token_id"]}};
  write_file(folder / "generation_config.json", generation.dump(2) + "\n");
}

}  // namespace slmtune::cli
