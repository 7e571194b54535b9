#include "export/gguf/gguf_metadata.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/shape.h"
#include "models/facts.h"
#include "models/families/gguf_facts.h"
#include "models/families/gguf_keys.h"

namespace slmtune::exporting {
namespace {

using models::gguf_count;

// "494M", "1.5B": how GGUF files name a size.
std::string size_label(const ModelParts& parts) {
  double count = 0.0;
  for (const TensorSource& source : parts.tensors)
    count += static_cast<double>(shape_elements(source.shape));
  const char* unit = "K";
  count /= 1e3;
  for (const char* next : {"M", "B"}) {
    if (count < 999.5) break;
    count /= 1e3;
    unit = next;
  }
  return count < 9.95 ? fmt::format("{:.1f}{}", count, unit) : fmt::format("{:.0f}{}", count, unit);
}

// What is known of the published model that this one was made from, by the name of its folder.
void add_origin(GgufMetadata& out, const std::filesystem::path& folder) {
  const auto name = folder.has_filename() ? folder.filename() : folder.parent_path().filename();
  const auto facts = models::find_facts(name.string());
  if (!facts) return;
  if (!facts->licence.empty()) out.emplace_back("general.license", facts->licence);
  const size_t slash = facts->repository.find('/');
  if (slash == std::string::npos) return;
  out.emplace_back("general.base_model.count", uint32_t{1});
  out.emplace_back("general.base_model.0.name", facts->repository.substr(slash + 1));
  out.emplace_back("general.base_model.0.organization", facts->repository.substr(0, slash));
  out.emplace_back("general.base_model.0.repo_url", "https://huggingface.co/" + facts->repository);
}

void add_rope(GgufMetadata& out, const std::string& prefix, const models::ModelConfig& config) {
  out.emplace_back(prefix + "rope.freq_base", static_cast<float>(config.rope_theta));
  const models::RopeScaling& rope = config.rope;
  if (rope.type != "linear" && rope.type != "yarn") return;  // the others are facts of the family
  out.emplace_back(prefix + "rope.scaling.type", rope.type);
  out.emplace_back(prefix + "rope.scaling.factor", static_cast<float>(rope.factor));
  if (rope.type == "yarn")
    out.emplace_back(prefix + "rope.scaling.original_context_length",
                     gguf_count(rope.original_max_positions));
}

}  // namespace

GgufMetadata model_metadata(const ModelParts& parts, const models::GgufFacts& facts,
                            uint32_t file_type, int64_t rows) {
  const models::ModelConfig& config = parts.config;
  if (rows != config.vocab_size)
    throw FileFormatError("F094", parts.folder.string(),
                          "the embedding has " + std::to_string(rows) +
                              " rows but 'vocab_size' is " + std::to_string(config.vocab_size),
                          "use the config.json that belongs to these weights");
  const std::string architecture(facts.architecture), prefix = architecture + ".";
  GgufMetadata out{
      {"general.architecture", architecture},
      {"general.type", std::string("model")},
      {"general.size_label", size_label(parts)},
      {"general.file_type", file_type},
      {"general.quantization_version", uint32_t{2}},
      {prefix + "context_length", gguf_count(gguf_context(config, facts))},
      {prefix + "embedding_length", gguf_count(config.hidden_size)},
      {prefix + "block_count", gguf_count(config.layers)},
      {prefix + "feed_forward_length", gguf_count(config.intermediate_size)},
      {prefix + "attention.head_count", gguf_count(config.heads)},
      {prefix + "attention.head_count_kv", gguf_count(config.kv_heads)},
      {prefix + "attention.layer_norm_rms_epsilon", static_cast<float>(config.rms_norm_eps)}};
  add_origin(out, parts.folder);
  if (!facts.fixes_head_dim) {
    out.emplace_back(prefix + "attention.key_length", gguf_count(config.head_dim));
    out.emplace_back(prefix + "attention.value_length", gguf_count(config.head_dim));
  }
  add_rope(out, prefix, config);
  if (facts.keys == nullptr) return out;
  for (models::GgufKey& key : facts.keys(config))
    std::visit([&](auto& value) { out.emplace_back(prefix + key.name, std::move(value)); },
               key.value);
  return out;
}

}  // namespace slmtune::exporting
