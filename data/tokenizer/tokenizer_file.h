// tokenizer.json as read and checked, before the encoder is built from it.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "data/tokenizer/byte_pair_encoder.h"
#include "data/tokenizer/splitter.h"
#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/vocabulary.h"

namespace slmtune::data {

struct TokenizerFile {
  Vocabulary pieces{0};           // as stored (byte alphabet), and the added tokens' texts
  std::vector<bool> is_in_model;  // by id: a piece that BPE may produce
  std::vector<AddedToken> added;  // ordered by id
  std::vector<std::string> merge_texts;
  std::vector<Merge> merges;
  BytePairEncoder::Options options;
  SplitRule split = SplitRule::kWhole;
  bool nfc = false;
  std::string begin_token;  // that the post-processor puts in front; "" if none

  // Errors: N001, F030, F031, F032 (see Tokenizer::load). Tokens that only tokenizer_config.json
  // lists are added.
  static TokenizerFile read(const std::filesystem::path& folder);
};

}  // namespace slmtune::data
