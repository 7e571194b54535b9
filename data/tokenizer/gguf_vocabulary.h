// The vocabulary of a GGUF file as plain lists, and the tokenizer that they make. Ids are those of
// llama.cpp (src/llama-vocab.cpp), with one difference: Qwen2's text is brought to NFC, as its
// published tokenizer does and llama.cpp does not.
//
//   Tokenizer tokenizer = Tokenizer::from_gguf({.path = path, .model = "gpt2", …});
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/splitter.h"

namespace slmtune::data {

// The keys tokenizer.ggml.* of a file; ids are not yet checked.
struct GgufVocabulary {
  std::filesystem::path path;       // for messages
  std::string model;                // "gpt2": byte-level BPE; "llama": SentencePiece BPE
  std::string pre;                  // llama.cpp's name of the split
  std::vector<std::string> tokens;  // index = id
  std::vector<int32_t> types;       // token_type; empty: taken from the texts
  std::vector<float> scores;        // "llama"
  std::vector<std::string> merges;  // "gpt2": "a b"
  std::optional<int64_t> bos, eos, eot, eom, pad, unknown;
  std::optional<bool> adds_bos, adds_space;
  // A special token swallows the whitespace behind it, which the file does not say; llama.cpp goes
  // by the model's name.
  bool strips_right = false;
};

// A name of llama.cpp for the way byte-level BPE splits text.
struct GgmlPre {
  std::string_view name;
  SplitRule split;
  bool ignore_merges = false;
  bool adds_bos = false;  // when the file does not say
  bool nfc = false;
};

// Of rows with one split and one `ignore_merges` the first is the name that exports write.
std::span<const GgmlPre> ggml_pres();
// nullptr for a name that is not known: then no ids could be trusted.
const GgmlPre* find_ggml_pre(std::string_view name);

}  // namespace slmtune::data
