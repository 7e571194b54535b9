#include "data/tokenizer/gguf_vocabulary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "data/tokenizer/tokenizer.h"
#include "tests/data/small_sentencepiece.h"
#include "tests/data/small_tokenizer.h"
#include "tests/support/raises.h"

namespace slmtune::data {
namespace {

using namespace slmtune::testing;
using Ids = std::vector<int32_t>;

constexpr int32_t kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6;

const char* const kTexts[] = {"",
                              "abc",
                              " ab abcabc  aaaa\n\n",
                              "<|im_start|>user\nab<|im_end|>\n",
                              "e\u0301 \u4e2d\U0001f999 123456",
                              "don't I'LL",
                              "\u2581a \u2581\u2581 b",
                              "<s> ab</s>ab",
                              "\xff\xfe ab"};

// What a converter writes of tests/data/small_tokenizer.h, ids without a token included.
GgufVocabulary byte_level() {
  GgufVocabulary stored;
  stored.path = "a.gguf";
  stored.model = "gpt2";
  stored.pre = "qwen2";
  for (int byte = 0; byte < 256; ++byte)
    stored.tokens.push_back(to_byte_alphabet(std::string(1, static_cast<char>(byte))));
  for (const char* piece : {"ab", "abc", "\u0120a", "aa", "aaaa"})
    stored.tokens.emplace_back(piece);
  stored.types.assign(stored.tokens.size(), kNormal);
  while (stored.tokens.size() < 300) {
    stored.tokens.push_back("[PAD" + std::to_string(stored.tokens.size()) + "]");
    stored.types.push_back(kUnused);
  }
  for (const char* text : {"<|im_start|>", "<|im_end|>"}) {
    stored.tokens.emplace_back(text);
    stored.types.push_back(kControl);
  }
  stored.merges = {"a b", "ab c", "\u0120 a", "a a", "aa aa"};
  stored.eos = 301;
  return stored;
}

GgufVocabulary sentencepiece() {
  GgufVocabulary stored;
  stored.path = "a.gguf";
  stored.model = "llama";
  for (const SmallSentencePiece::Piece& piece : SmallSentencePiece().pieces) {
    stored.tokens.push_back(piece.text);
    stored.scores.push_back(piece.score);
    stored.types.push_back(static_cast<int32_t>(piece.type));
  }
  return stored;
}

void expect_same_ids(const Tokenizer& one, const Tokenizer& other) {
  for (const char* text : kTexts) {
    EXPECT_EQ(one.encode(text), other.encode(text)) << text;
    const Ids ids = other.encode(text);
    for (const bool skips : {false, true})
      EXPECT_EQ(one.decode(ids, skips), other.decode(ids, skips)) << text;
  }
}

TEST(GgufVocabulary, AByteLevelOneGivesTheIdsOfItsTokenizerJson) {
  const TempFolder folder;
  const Tokenizer from_json = load(small_tokenizer(), folder);
  const Tokenizer tokenizer = Tokenizer::from_gguf(byte_level());
  expect_same_ids(tokenizer, from_json);
  EXPECT_EQ(tokenizer.size(), from_json.size());
  EXPECT_EQ(tokenizer.ggml_pre(), "qwen2");
  EXPECT_EQ(tokenizer.merges(), from_json.merges());
  EXPECT_EQ(tokenizer.pieces_name(299), "");
  EXPECT_TRUE(tokenizer.is_special(300));
}

TEST(GgufVocabulary, ASentencePieceOneGivesTheIdsOfItsModel) {
  // Blanks at the ends and special tokens in text are where sentencepiece itself goes another way.
  const TempFolder folder;
  const Tokenizer model = load(SmallSentencePiece(), folder);
  const Tokenizer tokenizer = Tokenizer::from_gguf(sentencepiece());
  for (const char* text : {"", "abc", "ab abc  c", "a\u00e9 \u4e2d", " ab"})
    EXPECT_EQ(tokenizer.encode(text), model.encode(text)) << text;
  EXPECT_EQ(tokenizer.kind(), TokenizerKind::kSentencePiece);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("ab \u4e2d abc")), "ab \u4e2d abc");
  EXPECT_EQ(tokenizer.score(260), -1.0f);
  EXPECT_EQ(tokenizer.type(3), TokenType::kByte);
}

TEST(GgufVocabulary, ABlankStandsInFrontOfEachTextBetweenSpecialTokensUnlessTheFileSaysNo) {
  GgufVocabulary stored = sentencepiece();
  EXPECT_EQ(Tokenizer::from_gguf(stored).encode("ab</s>ab"), (Ids{260, 2, 260}));
  EXPECT_TRUE(Tokenizer::from_gguf(stored).prefixes_space());
  stored.adds_space = false;
  EXPECT_EQ(Tokenizer::from_gguf(stored).encode("ab</s>ab"), (Ids{259, 2, 259}));
  EXPECT_FALSE(Tokenizer::from_gguf(stored).prefixes_space());
}

TEST(GgufVocabulary, UserDefinedTokensAreFoundAsTheyStandAndShownInAnswers) {
  GgufVocabulary stored = sentencepiece();
  stored.tokens.emplace_back("\n\n");
  stored.scores.push_back(-1000.0f);
  stored.types.push_back(kUserDefined);
  const Tokenizer tokenizer = Tokenizer::from_gguf(stored);
  EXPECT_EQ(tokenizer.encode("ab\n\nab"), (Ids{260, 268, 260}));
  EXPECT_FALSE(tokenizer.is_special(268));
  EXPECT_EQ(tokenizer.decode(Ids{259, 268, 259}), "ab\n\nab");
}

TEST(GgufVocabulary, WithoutTypesATokenIsWhatItsTextLooksLike) {
  GgufVocabulary byte = byte_level();
  byte.types.clear();
  for (size_t id = 261; id < 300; ++id) byte.tokens[id] = "";  // as other converters fill up
  const Tokenizer tokenizer = Tokenizer::from_gguf(byte);
  EXPECT_EQ(tokenizer.encode("<|im_start|>ab"), (Ids{300, 256}));
  EXPECT_TRUE(tokenizer.is_special(301));
  GgufVocabulary piece = sentencepiece();
  piece.types.clear();
  piece.bos = 1;
  piece.eos = 2;
  expect_same_ids(Tokenizer::from_gguf(piece), Tokenizer::from_gguf(sentencepiece()));
}

TEST(GgufVocabulary, SpecialIdsComeFromTheKeysAndFromLlamaCppsDefaults) {
  GgufVocabulary byte = byte_level();
  EXPECT_EQ(Tokenizer::from_gguf(byte).bos(), std::nullopt);
  EXPECT_EQ(Tokenizer::from_gguf(byte).stop_ids(), (Ids{301}));
  EXPECT_FALSE(Tokenizer::from_gguf(byte).adds_bos());
  byte.pre = "llama-bpe";
  byte.bos = 300;
  byte.eot = 260;
  byte.eom = 259;
  byte.pad = UINT32_MAX;  // none
  EXPECT_TRUE(Tokenizer::from_gguf(byte).adds_bos());
  EXPECT_EQ(Tokenizer::from_gguf(byte).stop_ids(), (Ids{259, 260, 301}));
  EXPECT_EQ(Tokenizer::from_gguf(byte).pad(), std::nullopt);
  byte.adds_bos = false;
  EXPECT_FALSE(Tokenizer::from_gguf(byte).adds_bos());
  const Tokenizer piece = Tokenizer::from_gguf(sentencepiece());
  EXPECT_EQ(piece.bos(), 1);
  EXPECT_EQ(piece.eos(), 2);
  EXPECT_TRUE(piece.adds_bos());
}

TEST(GgufVocabulary, TheNameOfTheSplitDecides) {
  const auto ids = [](const char* pre, const char* text) {
    GgufVocabulary stored = byte_level();
    stored.pre = pre;
    return Tokenizer::from_gguf(stored).encode(text);
  };
  EXPECT_EQ(ids("llama-bpe", "aaaa"), (Ids{260}));
  EXPECT_EQ(ids("gpt-2", "e\u0301").size(), 3u);
  EXPECT_EQ(ids("qwen2", "e\u0301").size(), 2u);  // one letter in NFC
  for (const GgmlPre& pre : ggml_pres()) EXPECT_FALSE(ids(pre.name.data(), "ab 12").empty());
}

TEST(GgufVocabulary, Phi3sMarksSwallowTheWhitespaceBehindThem) {
  GgufVocabulary stored = sentencepiece();
  stored.tokens.emplace_back("<|user|>");
  stored.scores.push_back(-1000.0f);
  stored.types.push_back(kControl);
  EXPECT_NE(Tokenizer::from_gguf(stored).encode("<|user|>\nab"), (Ids{268, 260}));
  stored.strips_right = true;
  EXPECT_EQ(Tokenizer::from_gguf(stored).encode("<|user|>\nab"), (Ids{268, 260}));
  EXPECT_EQ(Tokenizer::from_gguf(stored).encode("<s>\nab").size(), 4u);
}

TEST(GgufVocabulary, WhatCannotBeTrustedIsRefusedByKey) {
  const auto refused = [](const char* code, const char* part, GgufVocabulary stored,
                          const std::function<void(GgufVocabulary&)>& change) {
    change(stored);
    return raises(code, {"a.gguf", part}, [&] { Tokenizer::from_gguf(stored); });
  };
  const GgufVocabulary byte = byte_level(), piece = sentencepiece();
  using V = GgufVocabulary;
  EXPECT_TRUE(
      refused("F031", "'tokenizer.ggml.model' is 'bert'", byte, [](V& v) { v.model = "bert"; }));
  EXPECT_TRUE(
      refused("F031", "'tokenizer.ggml.pre' is 'falcon'", byte, [](V& v) { v.pre = "falcon"; }));
  EXPECT_TRUE(
      refused("F032", "'tokenizer.ggml.merges' is missing", byte, [](V& v) { v.merges.clear(); }));
  EXPECT_TRUE(refused("F030", "entry 0 of 'tokenizer.ggml.merges'", byte,
                      [](V& v) { v.merges[0] = "ab"; }));
  EXPECT_TRUE(refused("F032", "entry 1 of 'tokenizer.ggml.merges'", byte,
                      [](V& v) { v.merges[1] = "zz c"; }));
  EXPECT_TRUE(
      refused("F032", "'tokenizer.ggml.token_type' has 3", byte, [](V& v) { v.types.resize(3); }));
  EXPECT_TRUE(refused("F032", "'tokenizer.ggml.token_type' of token 7 is 9", byte,
                      [](V& v) { v.types[7] = 9; }));
  EXPECT_TRUE(
      refused("F032", "'tokenizer.ggml.bos_token_id' is 302", byte, [](V& v) { v.bos = 302; }));
  EXPECT_TRUE(refused("F030", "token 5 is not UTF-8", byte, [](V& v) { v.tokens[5] = "\xff"; }));
  EXPECT_TRUE(
      refused("F032", "id 256 or its piece stands twice", byte, [](V& v) { v.tokens[256] = "a"; }));
  EXPECT_TRUE(
      refused("F032", "empty", byte, [](V& v) { v.types.assign(v.types.size(), kUnused); }));
  EXPECT_TRUE(
      refused("F032", "'tokenizer.ggml.scores' is missing", piece, [](V& v) { v.scores.clear(); }));
  EXPECT_TRUE(refused("F032", "'tokenizer.ggml.scores' of token 4", piece,
                      [](V& v) { v.scores[4] = NAN; }));
  EXPECT_TRUE(refused("F032", "token 260 is to stand for a byte", piece,
                      [](V& v) { v.types[260] = kByte; }));
  EXPECT_TRUE(refused("F031", "no fallback to bytes", piece, [](V& v) {
    v.types[100] = kUnknown;
    v.tokens[261] = "ab\u4e2d";
  }));
  EXPECT_TRUE(refused("F032", "longer than 512 bytes", piece,
                      [](V& v) { v.tokens[261] = std::string(513, 'a'); }));
}

}  // namespace
}  // namespace slmtune::data
