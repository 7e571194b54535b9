// The low-rank pairs of a PEFT folder as they are stored, for handing them to another program: none
// of the base's values is needed. Those of embedding and head are here, too, which PEFT can train
// and slmtune does not.
//
//   auto model = models::load_skeleton("models/Qwen2.5-0.5B");
//   StoredAdapter adapter = read_stored_adapter(*model, "runs/faq/snapshots/0042");
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/safetensors.h"
#include "lora/lora_config.h"

namespace slmtune::models {
class CausalLM;
}

namespace slmtune::lora {

// W + scale · B·A. For the embedding [vocabulary, hidden] it is W + scale · (B·A)ᵀ.
struct StoredPair {
  std::string module;  // "model.layers.0.self_attn.q_proj", "model.embed_tokens", "lm_head"
  TensorView a, b;  // [rank, in], [out, rank]; of the embedding [rank, vocabulary], [hidden, rank]
  double scale = 1.0;
  bool is_embedding() const;
  bool is_head() const;
  int64_t rank() const { return a.shape.front(); }
};

struct StoredAdapter {
  LoraConfig config;              // DoRA has magnitudes beside the pairs, which are not here
  std::vector<StoredPair> pairs;  // sorted by module; they borrow from `file`
  SafetensorsFile file;
};

// The values of one factor as float32, row-major.
std::vector<float> float_values(const TensorView& factor);

// `model` may be one without values. Errors as load_peft() has them, F062 by the shapes of `model`.
StoredAdapter read_stored_adapter(models::CausalLM& model, const std::filesystem::path& folder);

}  // namespace slmtune::lora
