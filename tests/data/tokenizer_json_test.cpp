// tokenizer.json of the SentencePiece families: its forms, and every part that is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/seed.h"
#include "tests/data/small_tokenizer.h"
#include "tests/data/wrong_file.h"

namespace slmtune::data {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::load;
using testing::TempFolder;

enum : int32_t { kSpace = 259, kA, kB, kAB, kSpaceA, kSpaceAB, kTwoSpaces };

json replace(const char* from, const char* to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

json metaspace(const char* scheme, bool split) {
  return {
      {"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", scheme}, {"split", split}};
}

json added_token(int id, const char* text) {
  return {{"id", id}, {"content", text}, {"special", true}, {"normalized", false}};
}

json sequence(const char* key, json steps) {
  return {{"type", "Sequence"}, {key, std::move(steps)}};
}

// Llama 2's form: <unk> 0, <s> 1, </s> 2, <0x00>.. 3.., then "▁", "a", "b", "ab", "▁a", "▁ab",
// "▁▁".
json small_llama() {
  json vocab = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof text, "<0x%02X>", static_cast<unsigned>(byte));
    vocab[text] = 3 + byte;
  }
  int id = kSpace;
  for (const char* piece : {"▁", "a", "b", "ab", "▁a", "▁ab", "▁▁"}) vocab[piece] = id++;
  json decoders = {replace("▁", " "),
                   {{"type", "ByteFallback"}},
                   {{"type", "Fuse"}},
                   {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}};
  return {
      {"added_tokens", {added_token(0, "<unk>"), added_token(1, "<s>"), added_token(2, "</s>")}},
      {"normalizer",
       sequence("normalizers", {{{"type", "Prepend"}, {"prepend", "▁"}}, replace(" ", "▁")})},
      {"pre_tokenizer", nullptr},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single", {{{"SpecialToken", {{"id", "<s>"}}}}, {{"Sequence", {{"id", "A"}}}}}}}},
      {"decoder", sequence("decoders", decoders)},
      {"model",
       {{"type", "BPE"},
        {"unk_token", "<unk>"},
        {"fuse_unk", true},
        {"byte_fallback", true},
        {"vocab", vocab},
        {"merges", {"a b", "▁ a", "▁ ab", "▁ ▁"}}}}};
}

json with_metaspace(const char* scheme, bool split) {
  json file = small_llama();
  file["normalizer"] = nullptr;
  file["pre_tokenizer"] = metaspace(scheme, split);
  return file;
}

TEST(TokenizerJson, Llama2PutsABlankBeforeEveryStretch) {
  TempFolder folder;
  const Tokenizer tokenizer = load(small_llama(), folder);
  EXPECT_EQ(tokenizer.kind(), TokenizerKind::kSentencePiece);
  EXPECT_THAT(tokenizer.encode("ab ab<s>a"), ElementsAre(kSpaceAB, kSpaceAB, 1, kSpaceA));
  EXPECT_THAT(tokenizer.encode(" a"), ElementsAre(kSpace, kSpaceA));
  EXPECT_THAT(tokenizer.encode("é"), ElementsAre(kSpace, 3 + 0xC3, 3 + 0xA9));
  EXPECT_THAT(tokenizer.encode(""), IsEmpty());
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("é ab  🦙")), "é ab  🦙");
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_TRUE(tokenizer.prefixes_space());
  EXPECT_EQ(tokenizer.ggml_pre(), "");
}

TEST(TokenizerJson, MetaspaceKnowsFirstAlwaysAndNever) {
  TempFolder folder;
  EXPECT_THAT(load(with_metaspace("first", false), folder).encode("a<s>a"),
              ElementsAre(kSpaceA, 1, kA));
  EXPECT_THAT(load(with_metaspace("always", false), folder).encode("a<s>a"),
              ElementsAre(kSpaceA, 1, kSpaceA));
  EXPECT_THAT(load(with_metaspace("always", false), folder).encode(" a"), ElementsAre(kSpaceA));
  EXPECT_THAT(load(with_metaspace("never", false), folder).encode("a a"), ElementsAre(kA, kSpaceA));
  json old = with_metaspace("always", false);
  old["pre_tokenizer"].erase("prepend_scheme");
  old["pre_tokenizer"]["add_prefix_space"] = false;
  EXPECT_THAT(load(old, folder).encode("a"), ElementsAre(kA));
}

TEST(TokenizerJson, MetaspaceMaySplitBeforeEachMark) {
  TempFolder folder;
  EXPECT_THAT(load(with_metaspace("never", true), folder).encode("  a"),
              ElementsAre(kSpace, kSpaceA));
  EXPECT_THAT(load(with_metaspace("never", false), folder).encode("  a"),
              ElementsAre(kSpace, kSpaceA));
  json by_rank = with_metaspace("never", false);
  by_rank["model"]["merges"] = {"▁ ▁", "▁ a"};
  EXPECT_THAT(load(by_rank, folder).encode("  a"), ElementsAre(kTwoSpaces, kA));
  by_rank["pre_tokenizer"]["split"] = true;
  EXPECT_THAT(load(by_rank, folder).encode("  a"), ElementsAre(kSpace, kSpaceA));
}

TEST(TokenizerJson, GemmaHasNoBlankInFront) {
  TempFolder folder;
  json file = small_llama();
  file["normalizer"] = replace(" ", "▁");
  file["pre_tokenizer"] = {{"type", "Split"},
                           {"pattern", {{"String", " "}}},
                           {"behavior", "MergedWithPrevious"},
                           {"invert", false}};
  file["decoder"]["decoders"].erase(3);
  const Tokenizer tokenizer = load(file, folder);
  EXPECT_THAT(tokenizer.encode("ab ab"), ElementsAre(kAB, kSpaceAB));
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(" ab")), " ab");
  EXPECT_FALSE(tokenizer.prefixes_space());
}

TEST(TokenizerJson, NormalizedTokensAreFoundAsTheyStandInNormalisedText) {
  TempFolder folder;
  json file = small_llama();
  file["added_tokens"][2]["normalized"] = true;
  EXPECT_THAT(load(file, folder).encode("a </s>"), ElementsAre(kSpaceA, 2));
  EXPECT_THAT(load(file, folder).encode("</s>"), ElementsAre(2));
}

TEST(TokenizerJson, WithIgnoreMergesAWholeTextInTheVocabularyIsOneToken) {
  TempFolder folder;
  json file = small_llama();
  file["model"]["merges"] = json::array();
  file["model"]["ignore_merges"] = true;
  EXPECT_THAT(load(file, folder).encode("ab"), ElementsAre(kSpaceAB));
  EXPECT_THAT(load(file, folder).encode("ab b"), ElementsAre(kSpace, kA, kB, kSpace, kB));
}

TEST(TokenizerJson, CharactersWithoutAllTheirBytesAreUnknown) {
  TempFolder folder;
  json file = small_llama();
  file["model"]["vocab"].erase("<0xC3>");
  EXPECT_THAT(load(file, folder).encode("éèж"), ElementsAre(kSpace, 0, 3 + 0xD0, 3 + 0xB6));
  file["model"]["fuse_unk"] = false;
  EXPECT_THAT(load(file, folder).encode("éè"), ElementsAre(kSpace, 0, 0));
}

TEST(TokenizerJson, ARunOfBytesThatIsNoTextIsReplacedByteForByte) {
  TempFolder folder;
  const Tokenizer tokenizer = load(small_llama(), folder);
  const std::vector<int32_t> ids = {kSpaceA, 3 + 'x', 3 + 0xC3, kB, 3 + 0xC3, 3 + 0xA9};
  EXPECT_EQ(tokenizer.decode(ids), "a\uFFFD\uFFFDbé");
  StreamDecoder decoder(tokenizer);
  std::string text;
  for (int32_t id : ids) text += decoder.push(id);
  EXPECT_EQ(text + decoder.finish(), tokenizer.decode(ids));
}

TEST(TokenizerJson, StripTakesOffAsManyBlanksAsItSays) {
  TempFolder folder;
  json file = small_llama();
  file["decoder"]["decoders"][3]["start"] = 3;
  const Tokenizer tokenizer = load(file, folder);
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{kTwoSpaces, kTwoSpaces, kA}), " a");
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{kA, kTwoSpaces}), "a  ");
}

TEST(TokenizerJson, TheMetaspaceDecoderTakesTheMarksOfTheFirstTokenOff) {
  TempFolder folder;
  json file = with_metaspace("always", false);
  file["decoder"] = metaspace("always", false);
  EXPECT_EQ(load(file, folder).decode(std::vector<int32_t>{kTwoSpaces, kSpaceA}), " a");
  file["decoder"] = metaspace("never", false);
  EXPECT_EQ(load(file, folder).decode(std::vector<int32_t>{kTwoSpaces, kA}), "  a");
}

TEST(TokenizerJson, ScoresFollowTheOrderOfMerges) {
  TempFolder folder;
  const Tokenizer tokenizer = load(small_llama(), folder);
  EXPECT_EQ(tokenizer.score(kAB), 0);
  EXPECT_EQ(tokenizer.score(kTwoSpaces), -3);
  EXPECT_LT(tokenizer.score(kA), -1e8f);
  EXPECT_EQ(tokenizer.type(0), TokenType::kUnknown);
  EXPECT_EQ(tokenizer.type(2), TokenType::kControl);
  EXPECT_EQ(tokenizer.type(3), TokenType::kByte);
  EXPECT_EQ(tokenizer.type(kA), TokenType::kNormal);
}

TEST(TokenizerJson, TheConfigDecidesAboutBos) {
  TempFolder folder;
  folder.write("tokenizer_config.json", R"({"bos_token": "<s>", "add_bos_token": false})");
  EXPECT_FALSE(load(small_llama(), folder).adds_bos());
  json file = small_llama();
  file["post_processor"] = nullptr;
  EXPECT_FALSE(load(file, folder).adds_bos());
  folder.write("tokenizer_config.json", R"({"bos_token": "<s>", "add_bos_token": true})");
  EXPECT_TRUE(load(file, folder).adds_bos());
  folder.write("tokenizer_config.json", R"({"add_bos_token": true})");
  EXPECT_FALSE(load(file, folder).adds_bos()) << "there is no bos token";
}

using Wrong = testing::Wrong<json>;

class WrongTokenizerJson : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongTokenizerJson, IsRefusedWithItsCode) {
  TempFolder folder;
  json changed = small_llama();
  GetParam().change(changed);
  EXPECT_TRUE(testing::raises(GetParam().code, {}, [&] { load(changed, folder); }));
}

json& decoder(json& file, size_t index) {
  return file["decoder"]["decoders"][index];
}

const Wrong kWrong[] = {
    Wrong{"NoDecoder", "F031", [](json& t) { t["decoder"] = nullptr; }},
    Wrong{"ByteLevelDecoder", "F031",
          [](json& t) {
            t["decoder"] = {{"type", "ByteLevel"}};
          }},
    Wrong{"DecoderOrder", "F031", [](json& t) { std::swap(decoder(t, 1), decoder(t, 2)); }},
    Wrong{"DecoderTwice", "F031", [](json& t) { decoder(t, 1) = decoder(t, 0); }},
    Wrong{"DecoderReplacesMore", "F031", [](json& t) { decoder(t, 0)["content"] = "_"; }},
    Wrong{"StripWithoutFuse", "F031", [](json& t) { t["decoder"]["decoders"].erase(2); }},
    Wrong{"StripAtTheEnd", "F031", [](json& t) { decoder(t, 3)["stop"] = 1; }},
    Wrong{"StripsMuch", "F031", [](json& t) { decoder(t, 3)["start"] = 1 << 20; }},
    Wrong{"StripIsText", "F030", [](json& t) { decoder(t, 3)["start"] = "x"; }},
    Wrong{"DecodersAreNoList", "F030", [](json& t) { t["decoder"].erase("decoders"); }},
    Wrong{"MetaspaceDecoderMark", "F031",
          [](json& t) {
            t["decoder"] = {{"type", "Metaspace"}, {"replacement", "_"}};
          }},
    Wrong{"PrependsWord", "F031",
          [](json& t) { t["normalizer"]["normalizers"][0]["prepend"] = "x"; }},
    Wrong{"PrependsTwice", "F031",
          [](json& t) {
            t["normalizer"]["normalizers"].push_back(t["normalizer"]["normalizers"][0]);
          }},
    Wrong{"ReplacesLetters", "F031", [](json& t) { t["normalizer"] = replace("a", "b"); }},
    Wrong{
        "ReplacesByRegex", "F031",
        [](json& t) {
          t["normalizer"] = {{"type", "Replace"}, {"pattern", {{"Regex", " "}}}, {"content", "▁"}};
        }},
    Wrong{"CharacterMap", "F031",
          [](json& t) {
            t["normalizer"] = {{"type", "Precompiled"}};
          }},
    Wrong{"MetaspaceMark", "F031",
          [](json& t) {
            t["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "_"}};
          }},
    Wrong{"MetaspaceScheme", "F031",
          [](json& t) { t["pre_tokenizer"] = metaspace("often", false); }},
    Wrong{"StepAfterMetaspace", "F031",
          [](json& t) {
            t["pre_tokenizer"] =
                sequence("pretokenizers", {metaspace("first", false), metaspace("first", false)});
          }},
    Wrong{"SplitsBlanksThatAreLeft", "F031",
          [](json& t) {
            t["normalizer"] = nullptr;
            t["pre_tokenizer"] = {{"type", "Split"},
                                  {"pattern", {{"String", " "}}},
                                  {"behavior", "MergedWithPrevious"}};
          }},
    Wrong{"RegexWithoutByteLevel", "F031",
          [](json& t) {
            t["pre_tokenizer"] = {{"type", "Split"},
                                  {"pattern", {{"Regex", testing::kQwen2Regex}}},
                                  {"behavior", "Isolated"}};
          }},
    Wrong{"InvertedSplit", "F031",
          [](json& t) {
            t["pre_tokenizer"] = {{"type", "Split"},
                                  {"pattern", {{"String", " "}}},
                                  {"behavior", "MergedWithPrevious"},
                                  {"invert", true}};
          }},
    Wrong{"ByteLevelBesides", "F031",
          [](json& t) {
            t["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
            t["model"]["byte_fallback"] = false;
          }},
    Wrong{"MergeWithoutPiece", "F032", [](json& t) { t["model"]["merges"].push_back("b a"); }},
    Wrong{"UnknownWithoutPiece", "F032", [](json& t) { t["model"]["unk_token"] = "nowhere"; }},
    Wrong{"StepIsText", "F030", [](json& t) { t["normalizer"]["normalizers"][0] = "NFC"; }},
    Wrong{"PatternMissing", "F030",
          [](json& t) { t["normalizer"]["normalizers"][1].erase("pattern"); }}};

INSTANTIATE_TEST_SUITE_P(All, WrongTokenizerJson, ::testing::ValuesIn(kWrong),
                         testing::name_of<json>);

TEST(TokenizerJson, DamagedFilesNeverCrash) {
  TempFolder folder;
  const std::string whole = small_llama().dump();
  SplitMix64 random(2);
  for (int round = 0; round < 300; ++round) {
    std::string damaged = whole;
    for (uint64_t count = 1 + random.below(3); count > 0; --count)
      damaged[random.below(whole.size())] = "0\"{}[],:-x\xFF"[random.below(11)];
    folder.write("tokenizer.json", damaged);
    try {
      const Tokenizer tokenizer = Tokenizer::load(folder.path());
      tokenizer.decode(tokenizer.encode("ab  ab </s> e\u0301 123"));
    } catch (const Error& error) {
      EXPECT_EQ(error.code().substr(0, 2), "F0");
    }
  }
}

}  // namespace
}  // namespace slmtune::data
