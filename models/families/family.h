// A model family: everything that the program must know about one architecture stands in one file
// of this folder.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/causal_lm.h"

namespace slmtune::models {

// How a family looks in GGUF (formats.md §6); export/ turns these facts into a file.
struct GgufFacts {
  std::string_view architecture;  // "llama", "qwen2"
  // Hugging Face name -> GGUF name; "{}" stands for the layer number on both sides,
  // ".weight"/".bias" are kept.
  std::vector<std::pair<std::string_view, std::string_view>> names;
  bool permutes_query_key = false;     // adjacent-pair RoPE: rows of q and k are reordered
  bool writes_rope_dimension = false;  // rope.dimension_count and vocab_size keys
  bool writes_rope_factors = false;    // rope_freqs.weight for llama3 scaling
};

struct Family {
  std::string_view architecture;  // config.json architectures[0]
  std::string_view model_type;
  // Reads family-specific keys into `config` (biases, windows); FileFormatError F051 for what is
  // not supported.
  void (*configure)(ModelConfig& config, const Json& json, const std::string& where);
  // A model whose parameters are placeholders on the meta device (shape and dtype, no memory) until
  // fill_model().
  std::unique_ptr<CausalLM> (*build)(const ModelConfig& config, const LoadOptions& options);
  GgufFacts gguf;
};

std::span<const Family> families();
// nullptr when there is none of that architecture.
const Family* find_family(std::string_view architecture);

}  // namespace slmtune::models
