#include <fmt/format.h>

#include <map>

#include "cli/engine/inspect.h"
#include "core/error.h"
#include "core/safetensors.h"
#include "core/text.h"
#include "data/chat/chat_template.h"
#include "data/tokenizer/tokenizer.h"
#include "models/facts.h"
#include "models/stored_weights.h"
#include "store/manifest.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

// Appends the lines and members of `part` to `whole`.
void add(Inspection& whole, const std::string& member, const Inspection& part) {
  whole.text += part.text;
  whole.json[member] = part.json;
}

std::string template_name(const fs::path& folder) {
  try {
    return std::string(data::ChatTemplate::detect(folder).name);
  } catch (const Error& error) {
    if (error.code() == "F041") return "none";
    if (error.code() == "F040") return "unknown";
    throw;
  }
}

Inspection inspect_weights(const fs::path& folder) {
  TensorFolder weights = TensorFolder::open(folder);
  std::map<std::string, uint64_t> by_dtype;
  uint64_t elements = 0, bytes = 0;
  for (const auto& [name, view] : weights.tensors()) bytes += view->bytes.size();
  for (const auto& [name, weight] : models::stored_weights(weights)) {
    uint64_t count = 1;
    for (const int64_t size : weight.shape) count *= static_cast<uint64_t>(size);
    by_dtype[weight.is_4bit() ? "NF4" : std::string(dtype_name(weight.dtype))] += count;
    elements += count;
  }
  std::string dtypes;
  for (const auto& [name, count] : by_dtype) dtypes += (dtypes.empty() ? "" : ", ") + name;
  return {fmt::format("weights: {} tensors, {} parameters, {} ({})\n", weights.tensors().size(),
                      elements, human_bytes(bytes), dtypes),
          {{"tensors", weights.tensors().size()},
           {"parameters", elements},
           {"bytes", bytes},
           {"dtypes", by_dtype}}};
}

bool has_weights(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".safetensors" || entry.path().extension() == ".bin")
      return true;
  return false;
}

Inspection describe_shape(const models::ModelConfig& c) {
  return {fmt::format("{} layers, hidden {}, ffn {}, {} heads ({} for keys and values) of {}, "
                      "vocabulary {}, context {}",
                      c.layers, c.hidden_size, c.intermediate_size, c.heads, c.kv_heads, c.head_dim,
                      c.vocab_size, c.max_positions),
          {{"architecture", c.architecture},
           {"layers", c.layers},
           {"hidden_size", c.hidden_size},
           {"intermediate_size", c.intermediate_size},
           {"heads", c.heads},
           {"kv_heads", c.kv_heads},
           {"head_dim", c.head_dim},
           {"vocab_size", c.vocab_size},
           {"max_positions", c.max_positions},
           {"tied_embeddings", c.tied_embeddings}}};
}

std::string split_name(const data::Tokenizer& tokenizer) {
  if (tokenizer.kind() == data::TokenizerKind::kSentencePiece) return "SentencePiece";
  const std::string name = tokenizer.ggml_pre();
  return name.empty() ? "none" : name;
}

}  // namespace

Inspection inspect_tokenizer(const fs::path& folder) {
  data::Tokenizer tokenizer = data::Tokenizer::load(folder);
  auto id = [](std::optional<int32_t> value) {
    return value ? OrderedJson(*value) : OrderedJson();
  };
  std::string chat = template_name(folder);
  Inspection result;
  result.text = fmt::format("tokenizer: {} ids, {} added tokens, {} merges, split {}\n",
                            tokenizer.size(), tokenizer.added_tokens().size(),
                            tokenizer.merges().size(), split_name(tokenizer));
  result.text += fmt::format("chat template: {}\n", chat);
  result.json = {{"kind", "tokenizer"},
                 {"ids", tokenizer.size()},
                 {"added_tokens", tokenizer.added_tokens().size()},
                 {"merges", tokenizer.merges().size()},
                 {"split", split_name(tokenizer)},
                 {"bos", id(tokenizer.bos())},
                 {"eos", id(tokenizer.eos())},
                 {"pad", id(tokenizer.pad())},
                 {"stop_ids", tokenizer.stop_ids()},
                 {"template", chat}};
  return result;
}

Inspection inspect_facts(const fs::path& path) {
  const models::ModelFacts facts = models::read_facts(path);
  const Inspection shape = describe_shape(facts.config);
  const int64_t parameters = models::count_parameters(facts.config);
  Inspection result;
  result.text = fmt::format("facts: {}{}\nmodel: {}, {} parameters\n  {}\n", facts.name,
                            facts.repository.empty() ? "" : " (" + facts.repository + ")",
                            facts.config.architecture, parameters, shape.text);
  result.text += fmt::format("chat template: {}\n", facts.chat_template);
  result.json = {
      {"schema", 1},        {"kind", "facts"},          {"path", path.string()},
      {"name", facts.name}, {"parameters", parameters}, {"template", facts.chat_template}};
  result.json.update(shape.json);
  const auto add_text = [&](const char* key, const char* label, const std::string& value) {
    if (value.empty()) return;
    result.json[key] = value;
    result.text += fmt::format("{}: {}\n", label, value);
  };
  add_text("repository", "repository", facts.repository);
  add_text("licence", "licence", facts.licence);
  add_text("commercial_use", "commercial use", facts.commercial_use);
  add_text("conditions", "conditions", facts.conditions);
  add_text("chinese", "Chinese", facts.chinese);
  add_text("use", "use", facts.use);
  return result;
}

Inspection inspect_model(const fs::path& folder) {
  const models::ModelConfig config = models::ModelConfig::load(folder);
  const Inspection shape = describe_shape(config);
  Inspection result;
  result.text = fmt::format("model: {}\n  {}\n", config.architecture, shape.text);
  result.json = {{"schema", 1}, {"kind", "model"}, {"path", folder.string()}};
  result.json.update(shape.json);
  if (has_weights(folder))
    add(result, "weights", inspect_weights(folder));
  else
    result.text += "weights: none\n";
  if (data::Tokenizer::find_file(folder))
    add(result, "tokenizer", inspect_tokenizer(folder));
  else
    result.text += "tokenizer: none\n";
  return result;
}

Inspection inspect_adapter(const fs::path& folder) {
  Json config = read_json(folder / "adapter_config.json");
  if (!config.is_object())
    throw FileFormatError("F060", (folder / "adapter_config.json").string(),
                          "this is no JSON object");
  Inspection result;
  result.json = {{"schema", 1}, {"kind", "adapter"}, {"path", folder.string()}};
  result.text = "adapter (PEFT):\n";
  for (const char* key : {"base_model_name_or_path", "peft_type", "r", "lora_alpha", "lora_dropout",
                          "use_rslora", "target_modules"})
    if (config.contains(key)) {
      result.json[key] = config[key];
      result.text +=
          fmt::format("  {:<24} {}\n", key,
                      shown(config[key].dump(-1, ' ', false, Json::error_handler_t::replace), 120));
    }
  if (fs::exists(folder / "adapter_model.safetensors"))
    add(result, "weights", inspect_safetensors(folder / "adapter_model.safetensors"));
  return result;
}

Inspection inspect_checkpoint(const fs::path& folder) {
  Json state = read_json(folder / "state.json");
  if (!state.is_object())
    throw FileFormatError("F060", (folder / "state.json").string(), "this is no JSON object");
  Inspection result;
  result.json = {
      {"schema", 1}, {"kind", "checkpoint"}, {"path", folder.string()}, {"state", state}};
  result.json["state"].erase("random_state");
  result.text = "checkpoint:\n";
  for (const auto& [key, value] : result.json["state"].items())
    result.text +=
        fmt::format("  {:<16} {}\n", shown(key),
                    shown(value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace), 200));
  for (const char* name : {"model.safetensors", "optimizer.safetensors"})
    if (fs::exists(folder / name)) {
      SafetensorsFile file = SafetensorsFile::open(folder / name);
      result.text += fmt::format("  {:<22} {} tensors\n", name, file.tensors().size());
    }
  return result;
}

Inspection inspect_snapshot(const fs::path& folder) {
  store::Manifest manifest = store::read_manifest(folder);
  Inspection result;
  result.text = fmt::format("snapshot #{} of {}, {}, made {} by slmtune {}\n", manifest.number,
                            shown(manifest.name), manifest.method, manifest.created,
                            manifest.program_version);
  result.json = {{"schema", 1},
                 {"kind", "snapshot"},
                 {"path", folder.string()},
                 {"number", manifest.number},
                 {"name", manifest.name},
                 {"method", manifest.method},
                 {"created", manifest.created},
                 {"base", manifest.base_path},
                 {"metrics", manifest.metrics},
                 {"hashes", manifest.hashes}};
  if (fs::exists(folder / "adapter_config.json"))
    add(result, "adapter", inspect_adapter(folder));
  else if (fs::exists(folder / "config.json"))
    add(result, "model", inspect_model(folder));
  return result;
}

}  // namespace slmtune::cli
