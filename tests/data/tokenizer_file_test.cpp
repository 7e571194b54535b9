// One test row per way in which a tokenizer.json can be wrong.
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/seed.h"
#include "tests/data/small_tokenizer.h"
#include "tests/data/wrong_file.h"

namespace slmtune::data {
namespace {

using nlohmann::json;
using testing::load;
using testing::small_tokenizer;
using testing::TempFolder;

using Wrong = testing::Wrong<json>;

class WrongTokenizer : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongTokenizer, IsRefusedWithItsCode) {
  TempFolder folder;
  json changed = small_tokenizer();
  GetParam().change(changed);
  EXPECT_TRUE(testing::raises(GetParam().code, {}, [&] { load(changed, folder); }));
}

const Wrong kWrong[] = {
    Wrong{"NoModel", "F030", [](json& t) { t.erase("model"); }},
    Wrong{"List", "F030", [](json& t) { t = json::array(); }},
    Wrong{"VocabularyIsAList", "F030", [](json& t) { t["model"]["vocab"] = json::array(); }},
    Wrong{"IdIsText", "F030", [](json& t) { t["model"]["vocab"]["ab"] = "x"; }},
    Wrong{"NoMerges", "F030", [](json& t) { t["model"].erase("merges"); }},
    Wrong{"MergeOfOne", "F030", [](json& t) { t["model"]["merges"].push_back("ab"); }},
    Wrong{"MergeOfThree", "F030",
          [](json& t) {
            t["model"]["merges"].push_back({"a", "b", "c"});
          }},
    Wrong{"AddedWithoutId", "F030",
          [](json& t) {
            t["added_tokens"].push_back({{"content", "x"}});
          }},
    Wrong{"Unigram", "F031", [](json& t) { t["model"]["type"] = "Unigram"; }},
    Wrong{"ByteFallback", "F031", [](json& t) { t["model"]["byte_fallback"] = true; }},
    Wrong{"Suffix", "F031", [](json& t) { t["model"]["end_of_word_suffix"] = "</w>"; }},
    Wrong{"Dropout", "F031", [](json& t) { t["model"]["dropout"] = 0.1; }},
    Wrong{"Normalizer", "F031",
          [](json& t) {
            t["normalizer"] = {{"type", "Lowercase"}};
          }},
    Wrong{"Regex", "F031",
          [](json& t) { t["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "\\p{L}+"; }},
    Wrong{"Behavior", "F031",
          [](json& t) { t["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Removed"; }},
    Wrong{"NoPreTokenizer", "F031", [](json& t) { t["pre_tokenizer"] = nullptr; }},
    Wrong{"Metaspace", "F031",
          [](json& t) {
            t["pre_tokenizer"] = {{"type", "Metaspace"}};
          }},
    Wrong{"PrefixSpace", "F031",
          [](json& t) { t["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = true; }},
    Wrong{"SplitsTwice", "F031",
          [](json& t) { t["pre_tokenizer"]["pretokenizers"][1]["use_regex"] = true; }},
    Wrong{"Decoder", "F031",
          [](json& t) {
            t["decoder"] = {{"type", "WordPiece"}};
          }},
    Wrong{"PostProcessor", "F031",
          [](json& t) {
            t["post_processor"] = {{"type", "BertProcessing"}};
          }},
    Wrong{"NegativeId", "F032", [](json& t) { t["model"]["vocab"]["ab"] = -1; }},
    Wrong{"HugeId", "F032", [](json& t) { t["model"]["vocab"]["ab"] = 1 << 24; }},
    Wrong{"FarId", "F032", [](json& t) { t["model"]["vocab"]["ab"] = (1 << 24) - 1; }},
    Wrong{"DuplicateId", "F032", [](json& t) { t["model"]["vocab"]["zz"] = 256; }},
    Wrong{"EmptyPiece", "F032", [](json& t) { t["model"]["vocab"][""] = 270; }},
    Wrong{"EmptyVocabulary", "F032", [](json& t) { t["model"]["vocab"] = json::object(); }},
    Wrong{"MergeOfUnknownPiece", "F032", [](json& t) { t["model"]["merges"].push_back("qq z"); }},
    Wrong{"MergeToUnknownPiece", "F032", [](json& t) { t["model"]["merges"].push_back("q z"); }},
    Wrong{"AddedTakesAnId", "F032", [](json& t) { t["added_tokens"][0]["id"] = 256; }},
    Wrong{"AddedTwice", "F032", [](json& t) { t["added_tokens"].push_back(t["added_tokens"][0]); }},
    Wrong{"AddedHugeId", "F032", [](json& t) { t["added_tokens"][0]["id"] = 1ll << 40; }},
    Wrong{"UnknownToken", "F032", [](json& t) { t["model"]["unk_token"] = "nowhere"; }}};

INSTANTIATE_TEST_SUITE_P(All, WrongTokenizer, ::testing::ValuesIn(kWrong), testing::name_of<json>);

TEST(TokenizerFile, MissingAndBrokenFilesAreNamed) {
  TempFolder folder;
  auto load_it = [&] { Tokenizer::load(folder.path()); };
  EXPECT_TRUE(testing::raises("N001", {}, load_it));
  for (const std::string& text :
       {std::string("{\"model\": {"), std::string(), std::string(100000, '[')}) {
    folder.write("tokenizer.json", text);
    EXPECT_TRUE(testing::raises("F030", {}, load_it));
  }
}

TEST(TokenizerFile, FilesFarTooLargeAreNotRead) {
  for (const char* name : {"tokenizer.json", "tokenizer.model", "tekken.json"}) {
    TempFolder folder;
    folder.write(name, "");
    std::filesystem::resize_file(folder.path() / name, uintmax_t{1} << 40);  // a hole
    EXPECT_TRUE(testing::raises("F030", {}, [&] { Tokenizer::load(folder.path()); })) << name;
  }
}

TEST(TokenizerFile, FindsTheFileThatItWouldRead) {
  TempFolder folder;
  EXPECT_EQ(Tokenizer::find_file(folder.path()), std::nullopt);
  for (const char* name : {"tekken.json", "tokenizer.model", "tokenizer.json"}) {
    folder.write(name, "");
    EXPECT_EQ(Tokenizer::find_file(folder.path()), folder.path() / name);
  }
}

TEST(TokenizerFile, DamagedFilesNeverCrash) {
  TempFolder folder;
  const std::string whole = small_tokenizer().dump();
  SplitMix64 random(1);
  for (int round = 0; round < 600; ++round) {
    std::string damaged = whole;
    if (round % 3 == 0)
      damaged.resize(random.below(whole.size()));
    else
      for (uint64_t count = 1 + random.below(3); count > 0; --count)
        damaged[random.below(whole.size())] = "0\"{}[],:-x\xFF"[random.below(11)];
    folder.write("tokenizer.json", damaged);
    try {
      const Tokenizer tokenizer = Tokenizer::load(folder.path());
      tokenizer.decode(tokenizer.encode("abc aaaa <|im_end|> e\u0301 123"));
    } catch (const Error& error) {
      EXPECT_EQ(error.code().substr(0, 2), "F0");
    }
  }
}

TEST(TokenizerFile, TakesMergesAsPairs) {
  TempFolder folder;
  json changed = small_tokenizer();
  changed["model"]["merges"] = json::array({json::array({"a", "b"}), json::array({"ab", "c"})});
  const Tokenizer tokenizer = load(changed, folder);
  EXPECT_EQ(tokenizer.encode("abc"), std::vector<int32_t>{257});
  EXPECT_EQ(tokenizer.merges()[1], "ab c");
}

TEST(TokenizerFile, KnowsIgnoreMergesAndTheNamesOfLlamaCpp) {
  TempFolder folder;
  json changed = small_tokenizer();
  changed["model"]["ignore_merges"] = true;
  changed["model"]["merges"] = json::array();
  auto& regex = changed["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"];
  regex =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  const Tokenizer tokenizer = load(changed, folder);
  EXPECT_EQ(tokenizer.encode("abc"), std::vector<int32_t>{257});
  EXPECT_EQ(tokenizer.ggml_pre(), "llama-bpe");
}

TEST(TokenizerFile, UnknownBytesGiveTheUnknownTokenOrNothing) {
  TempFolder folder;
  json changed = small_tokenizer();
  changed["model"]["vocab"].erase("z");
  EXPECT_EQ(load(changed, folder).encode("azzb"), (std::vector<int32_t>{256}));
  changed["model"]["vocab"]["?"] = '?';
  changed["model"]["unk_token"] = "?";
  EXPECT_EQ(load(changed, folder).encode("azzb"), (std::vector<int32_t>{'a', '?', '?', 'b'}));
  changed["model"]["fuse_unk"] = true;
  EXPECT_EQ(load(changed, folder).encode("azzb"), (std::vector<int32_t>{'a', '?', 'b'}));
}

}  // namespace
}  // namespace slmtune::data
