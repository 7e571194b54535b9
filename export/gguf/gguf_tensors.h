// Which tensor goes where in a GGUF file: names, reordered rows, encoding. The values themselves go
// through gguf_stream.h.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/safetensors.h"
#include "export/encodings/encoding.h"
#include "export/export.h"
#include "export/gguf/gguf.h"
#include "export/mixtures/mixture.h"

namespace slmtune::models {
struct GgufFacts;
}

namespace slmtune::exporting {

struct PlannedTensor {
  TensorSource source;  // Hugging Face name and row order
  std::string name;     // GGUF name
  const Encoding* encoding = nullptr;
  int64_t reordered_heads = 0;  // rows are reordered for adjacent-pair RoPE when > 0
  float added = 0.0f;           // to every value, in float32
  bool fell_back = false;       // its rows do not divide into the blocks of the mixture's encoding
  std::span<const float> importance = {};  // of its columns; empty: all alike
};

// Every tensor of the file, in order. Drops buffers and the head of a tied model. F013 a tensor of
// the family is missing; F094 a tensor that GGUF has no name for or a dtype that cannot be stored.
std::vector<PlannedTensor> plan_tensors(const ModelParts& parts, const models::GgufFacts& facts,
                                        const Mixture& mixture, bool has_importance = false);

// "model.layers.3.mlp.up_proj.weight" -> "blk.3.ffn_up.weight"; none for a tensor that GGUF does
// not know.
std::optional<std::string> gguf_name(const models::GgufFacts& facts, const std::string& name);

// "blk.{}.attn_q", "12" -> "blk.12.attn_q"; a pattern without a place for it stays as it is.
std::string with_layer(std::string_view pattern, const std::string& layer);

// Heads whose rows are reordered in the tensor of that GGUF name: of the queries, of the keys, or 0
// = none.
int64_t reordered_heads(const models::GgufFacts& facts, const models::ModelConfig& config,
                        const std::string& name);

// Row of the Hugging Face tensor that becomes row `row`: within a head, the halves [a…, b…] are
// interleaved to a b a b.
int64_t source_row(int64_t row, int64_t rows, int64_t heads);

GgufTensor table_entry(const PlannedTensor& planned);

}  // namespace slmtune::exporting
