// Loading a tokenizer from one file of hostile bytes, and using it.
#pragma once
#include <string>

#include "data/tokenizer/tokenizer.h"
#include "tests/fuzz/fuzz_target.h"

namespace slmtune::fuzz {

// `file` is tokenizer.json, tokenizer.model or tekken.json.
inline void read_tokenizer(const char* file, std::string_view input) {
  write_input(file, input);
  read_or_refuse([&] {
    const auto tokenizer = data::Tokenizer::load(folder());
    // Besides a fixed text one that has the file's own pieces in it.
    std::string text = "ab  abc <s> e\u0301\u4e2d 123\n";
    text += input.substr(input.size() / 2, 64);
    const std::vector<int32_t> ids = tokenizer.encode(text);
    tokenizer.decode(ids);
    for (int32_t id : {-1, 0, tokenizer.size() - 1, tokenizer.size()}) tokenizer.token_bytes(id);
  });
}

}  // namespace slmtune::fuzz
