// What a GGUF file says about a model besides its tensors: shape of the network and tokenizer, in
// the exact types that llama.cpp demands (a signed count or a flag of another width is refused
// there).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "export/export.h"
#include "export/gguf/gguf.h"

namespace slmtune::models {
struct GgufFacts;
}

namespace slmtune::exporting {

// `rows`: of the embedding. F094 unless they are the config's. Precondition: check_gguf().
GgufMetadata model_metadata(const ModelParts& parts, const models::GgufFacts& facts,
                            uint32_t file_type, int64_t rows);

// Ids without a token become [PADn], unused. F094: more tokens than rows, two tokens of one text,
// no end token, or a tokenizer whose ids llama.cpp would not give.
GgufMetadata tokenizer_metadata(const ModelParts& parts, const data::Tokenizer& tokenizer,
                                int64_t rows);

// `name` so that llama.cpp treats the blanks behind special tokens as this tokenizer does: it goes
// by the letters "Phi-3" in general.name.
std::string gguf_name_for(const std::string& name, const data::Tokenizer& tokenizer);

// Tokens that the file claims for its context.
int64_t gguf_context(const models::ModelConfig& config, const models::GgufFacts& facts);

// What a user should know of a GGUF of this model, a sentence each. Precondition: check_gguf().
std::vector<std::string> gguf_notes(const models::ModelConfig& config);

}  // namespace slmtune::exporting
