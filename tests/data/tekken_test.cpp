// tekken.json read directly.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "data/tokenizer/base64.h"
#include "tests/data/small_tokenizer.h"
#include "tests/data/wrong_file.h"

namespace slmtune::data {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using testing::TempFolder;

constexpr const char* kRegex =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

std::string base64(const std::string& bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k)
      text += i + k <= bytes.size() ? kDigits[bits >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

// 20 special tokens, the 256 bytes from id 20 on, "ab" 276, "bc" 277, "abc" 278.
json small_tekken() {
  json vocab = json::array();
  auto add = [&](const std::string& bytes) {
    vocab.push_back(
        {{"rank", vocab.size()}, {"token_bytes", base64(bytes)}, {"token_str", nullptr}});
  };
  for (int byte = 0; byte < 256; ++byte) add(std::string(1, static_cast<char>(byte)));
  for (const char* text : {"ab", "bc", "abc", "left out"}) add(text);
  return {{"config",
           {{"pattern", kRegex},
            {"default_vocab_size", 279},
            {"default_num_special_tokens", 20},
            {"version", "v3"}}},
          {"vocab", vocab}};
}

Tokenizer load_tekken(const json& file, const TempFolder& folder) {
  folder.write("tekken.json", file.dump());
  return Tokenizer::load(folder.path());
}

TEST(Tekken, JoinsByTheRankOfWhatComesOut) {
  TempFolder folder;
  const Tokenizer tokenizer = load_tekken(small_tekken(), folder);
  EXPECT_THAT(tokenizer.encode("[INST]abcab[/INST]"), ElementsAre(3, 278, 276, 4));
  EXPECT_THAT(tokenizer.encode("bcx"), ElementsAre(277, 20 + 'x'));
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("<s>grüße 🦙</s>")), "grüße 🦙");
  EXPECT_EQ(tokenizer.bos(), 1);
  EXPECT_EQ(tokenizer.eos(), 2);
  EXPECT_EQ(tokenizer.pad(), 11);
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_EQ(tokenizer.ggml_pre(), "tekken");
  EXPECT_EQ(tokenizer.size(), 279);
  EXPECT_THAT(tokenizer.merges(), ElementsAre("a b", "b c", "a bc", "ab c"));
}

TEST(Tekken, TakesListedSpecialTokensAndFillsUp) {
  TempFolder folder;
  json file = small_tekken();
  file["special_tokens"] = {{{"rank", 0}, {"token_str", "<unk>"}, {"is_control", true}},
                            {{"rank", 1}, {"token_str", "<s>"}, {"is_control", true}},
                            {{"rank", 2}, {"token_str", "[THINK]"}, {"is_control", false}}};
  const Tokenizer tokenizer = load_tekken(file, folder);
  EXPECT_THAT(tokenizer.encode("[THINK]<SPECIAL_19>"), ElementsAre(2, 19));
  EXPECT_FALSE(tokenizer.is_special(2));
  EXPECT_TRUE(tokenizer.is_special(19));
}

using Wrong = testing::Wrong<json>;

class WrongTekken : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongTekken, IsRefusedWithItsCode) {
  TempFolder folder;
  json file = small_tekken();
  GetParam().change(file);
  EXPECT_TRUE(testing::raises(GetParam().code, {}, [&] { load_tekken(file, folder); }));
}

const Wrong kWrong[] = {
    Wrong{"NoConfig", "F030", [](json& t) { t.erase("config"); }},
    Wrong{"NoVocabulary", "F030", [](json& t) { t.erase("vocab"); }},
    Wrong{"PieceIsText", "F030", [](json& t) { t["vocab"][3] = "x"; }},
    Wrong{"SizeIsText", "F030", [](json& t) { t["config"]["default_vocab_size"] = "x"; }},
    Wrong{"NotBase64", "F030", [](json& t) { t["vocab"][3]["token_bytes"] = "!!=="; }},
    Wrong{"Regex", "F031", [](json& t) { t["config"]["pattern"] = "\\w+"; }},
    Wrong{"HugeSize", "F032", [](json& t) { t["config"]["default_vocab_size"] = 1ll << 40; }},
    Wrong{"MorePiecesThanListed", "F032",
          [](json& t) { t["config"]["default_vocab_size"] = 1 << 20; }},
    Wrong{"NoSpecials", "F032", [](json& t) { t["config"]["default_num_special_tokens"] = 0; }},
    Wrong{"NoRank", "F032", [](json& t) { t["vocab"][3].erase("rank"); }},
    Wrong{"RankTwice", "F032", [](json& t) { t["vocab"][3]["rank"] = 4; }},
    Wrong{"BytesTwice", "F032", [](json& t) { t["vocab"][3]["token_bytes"] = base64("a"); }},
    Wrong{"LongPiece", "F032",
          [](json& t) { t["vocab"][3]["token_bytes"] = base64(std::string(600, 'a')); }},
    Wrong{"SpecialOutOfRange", "F032", [](json& t) {
            t["special_tokens"] = json::array({{{"rank", 20}, {"token_str", "<x>"}}});
          }}};

INSTANTIATE_TEST_SUITE_P(All, WrongTekken, ::testing::ValuesIn(kWrong), testing::name_of<json>);

TEST(Base64, ReadsPaddingAndRefusesTheRest) {
  EXPECT_EQ(from_base64(""), "");
  EXPECT_EQ(from_base64("YQ=="), "a");
  EXPECT_EQ(from_base64("YWI="), "ab");
  EXPECT_EQ(from_base64("YWJj"), "abc");
  EXPECT_EQ(from_base64("//79"), "\xFF\xFE\xFD");
  for (const char* wrong : {"YQ=", "Y", "Y=Q=", "Y Q=", "====", "YW-="})
    EXPECT_EQ(from_base64(wrong), std::nullopt) << wrong;
}

}  // namespace
}  // namespace slmtune::data
