// How a family looks in GGUF (formats.md §6). export/gguf turns these facts into a file, and reads
// a file by them; it asks nowhere which family it has.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/json.h"
#include "models/model_config.h"

namespace slmtune::models {

// A key of the architecture, without "<architecture>." in front, in the type that llama.cpp
// demands.
struct GgufKey {
  std::string name;
  std::variant<uint32_t, float, std::string> value;
};

// A float32 tensor that follows from the config: what the frequencies of the rotary positions are
// divided by, one number per pair of channels.
struct GgufVector {
  std::string name;
  std::vector<float> values;
};

// What is read back: keys without "<architecture>.", and whole float32 tensors.
struct GgufReading {
  std::string where;  // the file, for messages
  std::function<std::optional<double>(const std::string& key)> number;
  std::function<std::optional<std::vector<float>>(const std::string& tensor)> vector;
};

struct GgufFacts {
  std::string_view architecture;  // "llama", "qwen2"; empty: not written as GGUF
  // Hugging Face name -> GGUF name; "{}" stands for the layer number on both sides,
  // ".weight"/".bias" are kept.
  std::vector<std::pair<std::string_view, std::string_view>> names;
  // Rope types that the architecture can hold; any other is refused.
  std::vector<std::string_view> rope_types;
  bool permutes_query_key = false;  // adjacent-pair RoPE: rows of q and k are reordered
  bool adds_one_to_norms = false;   // GGUF's norms scale by w, the family's by 1 + w
  // The head is hidden_size / heads channels wide, whatever head_dim says.
  bool fixes_head_dim = false;
  // The keys say which layers have a window. Without that, the context of a file ends where the
  // shortest window does, so that what the file says is true within its context.
  bool holds_windows = false;

  // Keys beside those that all architectures have (export/gguf/gguf_metadata.cpp).
  std::vector<GgufKey> (*keys)(const ModelConfig& config) = nullptr;
  std::vector<GgufVector> (*vectors)(const ModelConfig& config) = nullptr;
  // What of this model GGUF, or llama.cpp behind it, cannot hold; "" when there is nothing.
  std::string (*obstacle)(const ModelConfig& config) = nullptr;
  // What a user should know of such a file in llama.cpp; "" when there is nothing.
  std::string (*note)(const ModelConfig& config) = nullptr;
  // Puts what keys() and vectors() hold into a config.json that already has the sizes, heads,
  // head_dim, max_position_embeddings, rope_theta and a linear or yarn scaling. F051 for what the
  // family does not have.
  void (*read)(Json& config, const GgufReading& file) = nullptr;
};

}  // namespace slmtune::models
