// tekken.json, then text through the tokenizer it makes.
#include "tests/fuzz/tokenizer_reading.h"

namespace slmtune::fuzz {

const Target kTekken("tekken",
                     [](std::string_view input) { read_tokenizer("tekken.json", input); });

}  // namespace slmtune::fuzz
