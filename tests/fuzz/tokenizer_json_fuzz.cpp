// tokenizer.json, then text through the tokenizer it makes.
#include "tests/fuzz/tokenizer_reading.h"

namespace slmtune::fuzz {

const Target kTokenizerJson("tokenizer_json", [](std::string_view input) {
  read_tokenizer("tokenizer.json", input);
});

}  // namespace slmtune::fuzz
