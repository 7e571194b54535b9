// Which tensor goes where in a GGUF file: names, reordered rows, encoding; and the values
// themselves, streamed.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/safetensors.h"
#include "export/encodings/encoding.h"
#include "export/export.h"
#include "export/gguf/gguf.h"

namespace slmtune::models {
struct GgufFacts;
}

namespace slmtune::exporting {

struct PlannedTensor {
  TensorSource source;  // Hugging Face name and row order
  std::string name;     // GGUF name
  const Encoding* encoding = nullptr;
  int64_t reordered_heads = 0;  // rows are reordered for adjacent-pair RoPE when > 0
  bool fell_back = false;       // stored as f16 because its rows do not divide into blocks
};

// Every tensor of the file, in order. Drops buffers and the head of a tied model. F013 a tensor of
// the family is missing; F094 a tensor that GGUF has no name for or a dtype that cannot be stored.
std::vector<PlannedTensor> plan_tensors(const ModelParts& parts, const models::GgufFacts& facts,
                                        const Encoding& encoding);

// Row of the Hugging Face tensor that becomes row `row`: within a head, the halves [a…, b…] are
// interleaved to a b a b.
int64_t source_row(int64_t row, int64_t rows, int64_t heads);

// Values that divide the rotary frequencies, one per pair of channels (llama3 scaling).
std::vector<float> rope_factors(const models::ModelConfig& config);

GgufTensor table_entry(const PlannedTensor& planned);

// Calls `take(first, values)` with runs of whole rows in file order; `first` counts elements. F096
// a value that the encoding cannot hold.
void for_each_run(const PlannedTensor& planned,
                  const std::function<void(int64_t first, std::span<const float> values)>& take);

}  // namespace slmtune::exporting
