// What a GGUF file says about a model besides its tensors: shape of the network and tokenizer, in
// the exact types that llama.cpp demands (a signed count or a flag of another width is refused
// there).
#pragma once
#include <cstdint>

#include "data/tokenizer/tokenizer.h"
#include "export/encodings/encoding.h"
#include "export/export.h"
#include "export/gguf/gguf.h"

namespace slmtune::models {
struct GgufFacts;
}

namespace slmtune::exporting {

// `rows`: rows of the embedding, which the token list must match.
GgufMetadata model_metadata(const ModelParts& parts, const models::GgufFacts& facts,
                            const Encoding& encoding, int64_t rows);

// Ids without a token become [PADn], unused. F094: more tokens than rows, two tokens of one text,
// or no end token.
GgufMetadata tokenizer_metadata(const ModelParts& parts, const data::Tokenizer& tokenizer,
                                int64_t rows);

}  // namespace slmtune::exporting
