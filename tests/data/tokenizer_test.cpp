#include "data/tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/data/small_tokenizer.h"

namespace slmtune::data {
namespace {

using ::testing::ElementsAre;
using testing::load;
using testing::small_tokenizer;
using testing::TempFolder;

TEST(Tokenizer, MergesByRankAndRecognisesAddedTokens) {
  TempFolder folder;
  const Tokenizer tokenizer = load(small_tokenizer(), folder);
  EXPECT_THAT(tokenizer.encode("abc"), ElementsAre(257));
  EXPECT_THAT(tokenizer.encode("<|im_start|>abc a<|im_end|>"), ElementsAre(300, 257, 258, 301));
  EXPECT_THAT(tokenizer.encode(""), ElementsAre());
  EXPECT_EQ(tokenizer.size(), 302);
}

TEST(Tokenizer, NormalisesToNfc) {
  TempFolder folder;
  const Tokenizer tokenizer = load(small_tokenizer(), folder);
  EXPECT_EQ(tokenizer.encode("e\u0301"), tokenizer.encode("\u00e9"));
}

TEST(Tokenizer, ReplacesInvalidUtf8) {
  TempFolder folder;
  const Tokenizer tokenizer = load(small_tokenizer(), folder);
  EXPECT_EQ(tokenizer.encode("a\xFF"), tokenizer.encode("a\uFFFD"));
}

TEST(Tokenizer, DecodesWithAndWithoutSpecialTokens) {
  TempFolder folder;
  const Tokenizer tokenizer = load(small_tokenizer(), folder);
  const std::vector<int32_t> ids = tokenizer.encode("<|im_start|>grüße 🦙<|im_end|>");
  EXPECT_EQ(tokenizer.decode(ids), "grüße 🦙");
  EXPECT_EQ(tokenizer.decode(ids, false), "<|im_start|>grüße 🦙<|im_end|>");
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{-1, 299, 5000, 'x'}), "x");
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{0xF0, 0x9F}), "\uFFFD");
}

TEST(Tokenizer, SpanEncodingEqualsTheWholeTextAndNamesSpans) {
  TempFolder folder;
  const Tokenizer tokenizer = load(small_tokenizer(), folder);
  const std::vector<std::string_view> spans = {"<|im_start|>", "",      "a",
                                               "bc a",         "<|im_", "end|>e\u0301"};
  const auto encoding = tokenizer.encode_spans(spans);
  EXPECT_EQ(encoding.ids, tokenizer.encode("<|im_start|>abc a<|im_end|>e\u0301"));
  // "abc" begins in span 2, " a" in 3, the end token in 4, both bytes of the é in 5.
  EXPECT_THAT(encoding.span_of, ElementsAre(0, 2, 3, 4, 5, 5));
}

TEST(Tokenizer, SpansHoldAfterTextThatNormalisationShortens) {
  TempFolder folder;
  const Tokenizer tokenizer = load(small_tokenizer(), folder);
  const std::vector<std::string_view> spans = {"e\u0301e\u0301 ", "x", "e\u0301", "y"};
  const auto encoding = tokenizer.encode_spans(spans);
  EXPECT_THAT(encoding.span_of, ElementsAre(0, 0, 0, 0, 0, 1, 2, 2, 3));
}

TEST(Tokenizer, GivesTheSameIdsInManyThreads) {
  TempFolder folder;
  const Tokenizer tokenizer = load(small_tokenizer(), folder);
  const std::string text = "abc aab cab aaaa <|im_end|> grüße";
  const std::vector<int32_t> expected = tokenizer.encode(text);
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 200; ++i) wrong += tokenizer.encode(text) != expected;
      });
  }
  EXPECT_EQ(wrong, 0);
}

TEST(Tokenizer, KnowsItsPieces) {
  TempFolder folder;
  const Tokenizer tokenizer = load(small_tokenizer(), folder);
  EXPECT_EQ(tokenizer.id_of("\xC4\xA0"
                            "a"),
            258);
  EXPECT_EQ(tokenizer.id_of("<|im_end|>"), 301);
  EXPECT_EQ(tokenizer.id_of("nothing"), std::nullopt);
  EXPECT_EQ(tokenizer.pieces_name(258),
            "\xC4\xA0"
            "a");
  EXPECT_EQ(tokenizer.pieces_name(280), "");
  EXPECT_EQ(tokenizer.token_bytes(258), " a");
  EXPECT_EQ(tokenizer.token_bytes(301), "<|im_end|>");
  EXPECT_TRUE(tokenizer.is_special(301));
  EXPECT_FALSE(tokenizer.is_special(256));
  EXPECT_EQ(tokenizer.merges()[1], "ab c");
  EXPECT_EQ(tokenizer.ggml_pre(), "qwen2");
}

TEST(Tokenizer, ReadsSpecialIdsFromTheConfigs) {
  TempFolder folder;
  folder.write("tokenizer_config.json",
               R"({"eos_token": {"content": "<|im_end|>"}, "bos_token": null})");
  folder.write("generation_config.json", R"({"eos_token_id": [301, 7, 99999999]})");
  folder.write("config.json", R"({"eos_token_id": 8, "bos_token_id": 300, "pad_token_id": -1})");
  const Tokenizer tokenizer = load(small_tokenizer(), folder);
  EXPECT_EQ(tokenizer.eos(), 301);
  EXPECT_EQ(tokenizer.bos(), 300);
  EXPECT_EQ(tokenizer.pad(), std::nullopt);
  EXPECT_FALSE(tokenizer.adds_bos());
  EXPECT_THAT(tokenizer.stop_ids(), ElementsAre(7, 8, 301));
}

TEST(Tokenizer, AddsBosWhenThePostProcessorDoes) {
  TempFolder folder;
  nlohmann::json json = small_tokenizer();
  json["post_processor"] = nlohmann::json::parse(
      R"({"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "TemplateProcessing",
          "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]}]})");
  const Tokenizer tokenizer = load(json, folder);
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_EQ(tokenizer.bos(), 300);
}

TEST(Tokenizer, TakesTokensThatOnlyTheConfigLists) {
  TempFolder folder;
  folder.write(
      "tokenizer_config.json",
      R"({"added_tokens_decoder": {"310": {"content": "<tool>", "special": false}, "301": {"content": "other"}}})");
  const Tokenizer tokenizer = load(small_tokenizer(), folder);
  EXPECT_THAT(tokenizer.encode("<tool>"), ElementsAre(310));
  EXPECT_EQ(tokenizer.token_bytes(301), "<|im_end|>");
}

TEST(StreamDecoder, NeverHandsOutHalfACharacter) {
  TempFolder folder;
  const Tokenizer tokenizer = load(small_tokenizer(), folder);
  const std::vector<int32_t> ids = tokenizer.encode("aé🦙<|im_end|>b");
  StreamDecoder decoder(tokenizer);
  std::string text;
  for (int32_t id : ids) {
    const std::string piece = decoder.push(id);
    EXPECT_TRUE(piece.empty() || piece == "a" || piece == "é" || piece == "🦙" || piece == "b")
        << piece;
    text += piece;
  }
  EXPECT_EQ(text, "aé🦙b");
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamDecoder, EndsABrokenCharacterWithAReplacement) {
  TempFolder folder;
  const Tokenizer tokenizer = load(small_tokenizer(), folder);
  StreamDecoder decoder(tokenizer);
  EXPECT_EQ(decoder.push(0xF0), "");
  EXPECT_EQ(decoder.push(0x9F), "");
  EXPECT_EQ(decoder.push('x'), "\uFFFDx");
  EXPECT_EQ(decoder.push(0xE2), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD");
}

}  // namespace
}  // namespace slmtune::data
