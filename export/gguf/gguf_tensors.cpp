#include "export/gguf/gguf_tensors.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <optional>
#include <set>

#include "core/dtype.h"
#include "core/error.h"
#include "core/stop.h"
#include "export/parallel.h"
#include "models/families/family.h"

namespace slmtune::exporting {
namespace {

constexpr int64_t kRunElements = 1 << 22;     // 16 MiB of float32 between two writes
constexpr int64_t kThreadElements = 1 << 15;  // fewer are not worth a thread

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

std::string filled(std::string_view pattern, const std::string& number) {
  std::string name(pattern);
  if (size_t hole = name.find("{}"); hole != std::string::npos) name.replace(hole, 2, number);
  return name;
}

std::optional<std::string> gguf_name(const models::GgufFacts& facts, const std::string& name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) return std::nullopt;
  const std::string module = name.substr(0, dot), suffix = name.substr(dot);
  for (const auto& [from, to] : facts.names)
    if (auto number = match(from, module)) return filled(to, *number) + suffix;
  return std::nullopt;
}

// Buffers that old checkpoints store although they follow from the config.
bool is_buffer(const std::string& name) {
  return name.ends_with("rotary_emb.inv_freq") || name.ends_with(".masked_bias") ||
         name.ends_with(".attn.bias");
}

void check_complete(const ModelParts& parts, const models::GgufFacts& facts) {
  std::set<std::string> present;
  for (const TensorSource& source : parts.tensors) present.insert(source.name);
  for (const auto& [from, to] : facts.names) {
    if (from == "lm_head" && parts.config.tied_embeddings) continue;
    const int64_t copies = from.find("{}") == std::string_view::npos ? 1 : parts.config.layers;
    for (int64_t i = 0; i < copies; ++i) {
      const std::string name = filled(from, std::to_string(i)) + ".weight";
      if (!present.count(name))
        throw FileFormatError("F013", parts.folder.string(), "there is no tensor '" + name + "'",
                              "is this folder complete?");
    }
  }
}

// Heads whose rows are reordered: of the queries, of the keys, or none.
int64_t reordered_heads(const models::GgufFacts& facts, const models::ModelConfig& config,
                        const std::string& name) {
  if (!facts.permutes_query_key) return 0;
  if (name.find(".attn_q.") != std::string::npos) return config.heads;
  if (name.find(".attn_k.") != std::string::npos) return config.kv_heads;
  return 0;
}

void choose_encoding(PlannedTensor& planned, const Encoding& wanted) {
  const bool matrix =
      planned.source.shape.size() >= 2 && planned.name.find("_norm.") == std::string::npos;
  if (!matrix) {
    planned.encoding = find_encoding("f32");  // llama.cpp demands it for vectors
  } else if (planned.source.shape.back() % wanted.block != 0) {
    planned.encoding = find_encoding("f16");
    planned.fell_back = true;
  } else {
    planned.encoding = &wanted;
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

PlannedTensor rope_tensor(const models::ModelConfig& config) {
  PlannedTensor planned;
  std::vector<float> factors = rope_factors(config);
  planned.name = "rope_freqs.weight";
  planned.encoding = find_encoding("f32");
  planned.source = {planned.name,
                    DType::kF32,
                    {static_cast<int64_t>(factors.size())},
                    [factors](const auto& write) { write(std::as_bytes(std::span(factors))); }};
  return planned;
}

// One row of stored numbers as float32.
void convert_row(const std::byte* bytes, DType dtype, std::span<float> row) {
  const auto each = [&](auto stored, const auto& converted) {
    for (size_t i = 0; i < row.size(); ++i) {
      std::memcpy(&stored, bytes + i * sizeof stored, sizeof stored);
      row[i] = converted(stored);
    }
  };
  switch (dtype) {
    case DType::kF16:
      return each(uint16_t{}, [](uint16_t bits) { return f16_to_f32(bits); });
    case DType::kBF16:
      return each(uint16_t{}, [](uint16_t bits) { return bf16_to_f32(bits); });
    case DType::kF64:
      return each(double{}, [](double value) { return static_cast<float>(value); });
    default:
      std::memcpy(row.data(), bytes, row.size_bytes());
  }
}

std::vector<std::byte> source_bytes(const TensorSource& source, int64_t elements) {
  std::vector<std::byte> bytes;
  bytes.reserve(static_cast<size_t>(elements) * dtype_bytes(source.dtype));
  source.fill([&](std::span<const std::byte> part) {
    bytes.insert(bytes.end(), part.begin(), part.end());
  });
  SLMTUNE_ASSERT(bytes.size() == static_cast<size_t>(elements) * dtype_bytes(source.dtype),
                 "tensor source gave another size");
  return bytes;
}

void check_values(const PlannedTensor& planned, std::span<const float> values) {
  for (float value : values) {
    if (std::fabs(value) < planned.encoding->limit) continue;  // false for NaN too
    throw FileFormatError("F096", planned.source.name,
                          std::isfinite(value)
                              ? "holds a value too large for " + std::string(planned.encoding->name)
                              : std::string("holds a value that is not a finite number"),
                          std::isfinite(value) ? "export with encoding bf16 or f32"
                                               : "the weights are damaged or training diverged");
  }
}

int64_t rows_of(const TensorSource& source) {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < source.shape.size(); ++i) rows *= source.shape[i];
  return rows;
}

}  // namespace

std::vector<PlannedTensor> plan_tensors(const ModelParts& parts, const models::GgufFacts& facts,
                                        const Encoding& encoding) {
  check_complete(parts, facts);
  std::vector<PlannedTensor> plan;
  if (facts.writes_rope_factors && parts.config.rope.type == "llama3")
    plan.push_back(rope_tensor(parts.config));
  for (const TensorSource& source : parts.tensors) {
    if (is_buffer(source.name)) continue;
    if (parts.config.tied_embeddings && source.name == "lm_head.weight") continue;
    auto name = gguf_name(facts, source.name);
    if (!name)
      throw FileFormatError("F094", parts.folder.string(),
                            "GGUF has no name for tensor '" + source.name + "'",
                            "export a Hugging Face folder instead");
    check_storable(source, parts);
    PlannedTensor planned{source, *name};
    planned.reordered_heads = reordered_heads(facts, parts.config, planned.name);
    choose_encoding(planned, encoding);
    plan.push_back(std::move(planned));
  }
  return plan;
}

int64_t source_row(int64_t row, int64_t rows, int64_t heads) {
  const int64_t width = rows / heads, head = row / width, within = row % width;
  return head * width + (within % 2) * (width / 2) + within / 2;
}

std::vector<float> rope_factors(const models::ModelConfig& config) {
  const models::RopeScaling& rope = config.rope;
  const double original = static_cast<double>(rope.original_max_positions);
  std::vector<float> factors;
  for (int64_t i = 0; i < config.head_dim / 2; ++i) {
    const double frequency = std::pow(
        config.rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(config.head_dim));
    const double wavelength = 2.0 * std::numbers::pi / frequency;
    double factor = 1.0;
    if (wavelength > original / rope.low_freq_factor) {
      factor = rope.factor;
    } else if (wavelength >= original / rope.high_freq_factor) {
      const double smooth = (original / wavelength - rope.low_freq_factor) /
                            (rope.high_freq_factor - rope.low_freq_factor);
      factor = 1.0 / ((1.0 - smooth) / rope.factor + smooth);
    }
    factors.push_back(static_cast<float>(factor));
  }
  return factors;
}

GgufTensor table_entry(const PlannedTensor& planned) {
  const uint64_t elements =
      static_cast<uint64_t>(rows_of(planned.source) * planned.source.shape.back());
  return {planned.name, planned.source.shape, planned.encoding->ggml_type,
          elements / static_cast<uint64_t>(planned.encoding->block) *
              static_cast<uint64_t>(planned.encoding->block_bytes)};
}

void for_each_run(const PlannedTensor& planned,
                  const std::function<void(int64_t, std::span<const float>)>& take) {
  const TensorSource& source = planned.source;
  // Vectors that are reordered (biases of q and k) have one element per row.
  const bool by_element = planned.reordered_heads > 0 && source.shape.size() == 1;
  const int64_t width = by_element ? 1 : source.shape.back();
  const int64_t rows = by_element ? source.shape.back() : rows_of(source);
  const std::vector<std::byte> bytes = source_bytes(source, rows * width);
  const int64_t element_bytes = static_cast<int64_t>(dtype_bytes(source.dtype));
  const int64_t run_rows = std::max<int64_t>(1, kRunElements / width);
  std::vector<float> values;
  for (int64_t first = 0; first < rows; first += run_rows) {
    check_stop();
    const int64_t count = std::min(run_rows, rows - first);
    values.resize(static_cast<size_t>(count * width));
    in_parallel(count, 1 + kThreadElements / width, [&](int64_t begin, int64_t end) {
      const auto part = std::span(values).subspan(static_cast<size_t>(begin * width),
                                                  static_cast<size_t>((end - begin) * width));
      for (int64_t row = begin; row < end; ++row) {
        const int64_t to = first + row;
        const int64_t from =
            planned.reordered_heads > 0 ? source_row(to, rows, planned.reordered_heads) : to;
        convert_row(
            bytes.data() + from * width * element_bytes, source.dtype,
            part.subspan(static_cast<size_t>((row - begin) * width), static_cast<size_t>(width)));
      }
      check_values(planned, part);
    });
    take(first * width, values);
  }
}

}  // namespace slmtune::exporting
