#include "export/gguf/gguf_tensors.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/shape.h"
#include "models/buffers.h"
#include "models/families/gguf_facts.h"

namespace slmtune::exporting {
namespace {

// "model.layers.12.mlp.up_proj" by "model.layers.{}.mlp.up_proj" -> "12"; "" where the pattern has
// no layer number.
std::optional<std::string> match(std::string_view pattern, std::string_view name) {
  const size_t hole = pattern.find("{}");
  if (hole == std::string_view::npos)
    return pattern == name ? std::optional(std::string()) : std::nullopt;
  const std::string_view head = pattern.substr(0, hole), tail = pattern.substr(hole + 2);
  if (name.size() <= head.size() + tail.size() || !name.starts_with(head) || !name.ends_with(tail))
    return std::nullopt;
  const std::string_view number = name.substr(head.size(), name.size() - head.size() - tail.size());
  const bool digits =
      std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits ? std::optional(std::string(number)) : std::nullopt;
}

void check_complete(const ModelParts& parts, const models::GgufFacts& facts) {
  std::set<std::string> present;
  for (const TensorSource& source : parts.tensors) present.insert(source.name);
  for (const auto& [from, to] : facts.names) {
    if (from == "lm_head" && parts.config.tied_embeddings) continue;
    const int64_t copies = from.find("{}") == std::string_view::npos ? 1 : parts.config.layers;
    for (int64_t i = 0; i < copies; ++i) {
      const std::string name = with_layer(from, std::to_string(i)) + ".weight";
      if (!present.count(name))
        throw FileFormatError("F013", parts.folder.string(), "there is no tensor '" + name + "'",
                              "is this folder complete?");
    }
  }
}

// Once all are named: the rules ask whether there is a head.
void choose_encodings(std::vector<PlannedTensor>& plan, const Mixture& mixture,
                      MixtureModel model) {
  for (const PlannedTensor& planned : plan)
    model.has_output = model.has_output || planned.name == "output.weight";
  for (PlannedTensor& planned : plan) {
    const std::vector<int64_t>& shape = planned.source.shape;
    const StoredAs stored = encoding_of(
        mixture, {planned.name, static_cast<int64_t>(shape.size()), shape.back(), model});
    planned.encoding = stored.encoding;
    planned.fell_back = stored.fell_back;
  }
}

void check_storable(const TensorSource& source, const ModelParts& parts) {
  const DType dtype = source.dtype;
  if (dtype != DType::kF16 && dtype != DType::kBF16 && dtype != DType::kF32 && dtype != DType::kF64)
    throw FileFormatError(
        "F094", parts.folder.string(),
        "tensor '" + source.name + "' has dtype " + std::string(dtype_name(dtype)),
        "GGUF export needs floating-point weights");
  if (source.shape.empty() || source.shape.size() > 4)
    throw FileFormatError(
        "F094", parts.folder.string(),
        "tensor '" + source.name + "' has " + std::to_string(source.shape.size()) + " dimensions",
        "GGUF holds tensors of 1 to 4 dimensions");
}

PlannedTensor planned_vector(models::GgufVector vector) {
  PlannedTensor planned;
  planned.name = std::move(vector.name);
  planned.source = {planned.name,
                    DType::kF32,
                    {static_cast<int64_t>(vector.values.size())},
                    [values = std::move(vector.values)](const auto& write) {
                      write(std::as_bytes(std::span(values)));
                    }};
  return planned;
}

}  // namespace

std::string with_layer(std::string_view pattern, const std::string& layer) {
  std::string name(pattern);
  if (const size_t hole = name.find("{}"); hole != std::string::npos) name.replace(hole, 2, layer);
  return name;
}

std::optional<std::string> gguf_name(const models::GgufFacts& facts, const std::string& name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) return std::nullopt;
  const std::string module = name.substr(0, dot), suffix = name.substr(dot);
  for (const auto& [from, to] : facts.names)
    if (auto number = match(from, module)) return with_layer(to, *number) + suffix;
  return std::nullopt;
}

int64_t reordered_heads(const models::GgufFacts& facts, const models::ModelConfig& config,
                        const std::string& name) {
  if (!facts.permutes_query_key) return 0;
  if (name.find(".attn_q.") != std::string::npos) return config.heads;
  if (name.find(".attn_k.") != std::string::npos) return config.kv_heads;
  return 0;
}

std::vector<PlannedTensor> plan_tensors(const ModelParts& parts, const models::GgufFacts& facts,
                                        const Mixture& mixture, bool has_importance) {
  check_complete(parts, facts);
  std::vector<PlannedTensor> plan;
  if (facts.vectors != nullptr)
    for (models::GgufVector& vector : facts.vectors(parts.config))
      plan.push_back(planned_vector(std::move(vector)));
  for (const TensorSource& source : parts.tensors) {
    if (models::is_buffer(source.name)) continue;
    if (parts.config.tied_embeddings && source.name == "lm_head.weight") continue;
    auto name = gguf_name(facts, source.name);
    if (!name)
      throw FileFormatError("F094", parts.folder.string(),
                            "GGUF has no name for tensor '" + source.name + "'",
                            "export a Hugging Face folder instead");
    check_storable(source, parts);
    PlannedTensor planned{source, *name};
    planned.reordered_heads = reordered_heads(facts, parts.config, planned.name);
    if (facts.adds_one_to_norms && source.name.ends_with("norm.weight")) planned.added = 1.0f;
    plan.push_back(std::move(planned));
  }
  choose_encodings(plan, mixture,
                   {.architecture = facts.architecture,
                    .layers = parts.config.layers,
                    .heads = parts.config.heads,
                    .kv_heads = parts.config.kv_heads,
                    .has_importance = has_importance});
  return plan;
}

int64_t source_row(int64_t row, int64_t rows, int64_t heads) {
  const int64_t width = rows / heads, head = row / width, within = row % width;
  return head * width + (within % 2) * (width / 2) + within / 2;
}

GgufTensor table_entry(const PlannedTensor& planned) {
  const auto elements = static_cast<uint64_t>(shape_elements(planned.source.shape));
  return {planned.name, planned.source.shape, planned.encoding->ggml_type,
          elements / static_cast<uint64_t>(planned.encoding->block) *
              static_cast<uint64_t>(planned.encoding->block_bytes)};
}

}  // namespace slmtune::exporting
