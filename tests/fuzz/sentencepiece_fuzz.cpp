// tokenizer.model, then text through the tokenizer it makes.
#include "tests/fuzz/tokenizer_reading.h"

namespace slmtune::fuzz {

const Target kSentencePiece("sentencepiece", [](std::string_view input) {
  read_tokenizer("tokenizer.model", input);
});

}  // namespace slmtune::fuzz
