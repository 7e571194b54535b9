// A byte-level tokenizer small enough to read: all 256 bytes, a few merges, two special tokens.
#pragma once
#include <nlohmann/json.hpp>

#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/tokenizer.h"
#include "tests/support/temp_folder.h"

namespace slmtune::testing {

inline constexpr const char* kQwen2Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// tokenizer.json with bytes 0..255 as ids 0..255, "ab" 256, "abc" 257, "Ġa" 258, "aa" 259,
// "aaaa" 260, <|im_start|> 300, <|im_end|> 301, `more` special tokens from 400 on.
inline nlohmann::json small_tokenizer(const std::vector<std::string>& more = {}) {
  nlohmann::json vocab, added = nlohmann::json::array();
  for (int byte = 0; byte < 256; ++byte)
    vocab[data::to_byte_alphabet(std::string(1, static_cast<char>(byte)))] = byte;
  int id = 256;
  for (const char* piece : {"ab", "abc",
                            "\xC4\xA0"
                            "a",
                            "aa", "aaaa"})
    vocab[piece] = id++;
  const auto add = [&](int number, const std::string& text) {
    added.push_back({{"id", number},
                     {"content", text},
                     {"special", true},
                     {"normalized", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"single_word", false}});
  };
  add(300, "<|im_start|>");
  add(301, "<|im_end|>");
  for (id = 400; const std::string& text : more) add(id++, text);
  nlohmann::json split = {{"type", "Split"},
                          {"pattern", {{"Regex", kQwen2Regex}}},
                          {"behavior", "Isolated"},
                          {"invert", false}};
  nlohmann::json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  return {{"added_tokens", added},
          {"normalizer", {{"type", "NFC"}}},
          {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {split, bytes}}}},
          {"post_processor", nullptr},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model",
           {{"type", "BPE"},
            {"vocab", vocab},
            {"merges", {"a b", "ab c", "\xC4\xA0 a", "a a", "aa aa"}}}}};
}

inline data::Tokenizer load(const nlohmann::json& json, const TempFolder& folder) {
  folder.write("tokenizer.json", json.dump());
  return data::Tokenizer::load(folder.path());
}

}  // namespace slmtune::testing
