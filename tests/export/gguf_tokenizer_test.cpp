// SentencePiece vocabularies in GGUF, and the name by which llama.cpp knows Phi-3's special tokens.
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "core/json.h"
#include "data/tokenizer/tokenizer.h"
#include "export/export.h"
#include "export/gguf/gguf_metadata.h"
#include "tests/support/raises.h"
#include "tests/support/temp_folder.h"

namespace slmtune::exporting {
namespace {

using testing::raises;
using testing::TempFolder;

constexpr int kFirstPiece = 259;  // behind <unk>, <s>, </s> and the bytes
constexpr int64_t kRows = 280;

Json added(int id, const std::string& text, bool special = true) {
  return {{"id", id},
          {"content", text},
          {"special", special},
          {"normalized", false},
          {"single_word", false},
          {"lstrip", false},
          {"rstrip", false}};
}

// A folder with a small vocabulary in Llama 2's form, after `change`.
class SmallTokenizer {
 public:
  using Change = std::function<void(Json& tokenizer, Json& config)>;

  explicit SmallTokenizer(const Change& change = [](Json&, Json&) {}) {
    Json vocab{{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
    for (int byte = 0; byte < 256; ++byte) {
      char piece[8];
      std::snprintf(piece, sizeof piece, "<0x%02X>", static_cast<unsigned>(byte));
      vocab[piece] = 3 + byte;
    }
    int id = kFirstPiece;
    for (const char* piece : {"▁", "a", "b", "▁a", "ab", "▁ab"}) vocab[piece] = id++;
    Json merges = Json::array({{"▁", "a"}, {"▁a", "b"}, {"a", "b"}});
    Json tokenizer{{"added_tokens", {added(0, "<unk>"), added(1, "<s>"), added(2, "</s>")}},
                   {"normalizer",
                    {{"type", "Sequence"},
                     {"normalizers",
                      {{{"type", "Prepend"}, {"prepend", "▁"}},
                       {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}}}}}},
                   {"pre_tokenizer", nullptr},
                   {"decoder",
                    {{"type", "Sequence"},
                     {"decoders",
                      {{{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}},
                       {{"type", "ByteFallback"}},
                       {{"type", "Fuse"}},
                       {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}}},
                   {"model",
                    {{"type", "BPE"},
                     {"unk_token", "<unk>"},
                     {"fuse_unk", true},
                     {"byte_fallback", true},
                     {"vocab", vocab},
                     {"merges", merges}}}};
    Json config{{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"add_bos_token", true}};
    change(tokenizer, config);
    folder_.write("tokenizer.json", tokenizer.dump());
    folder_.write("tokenizer_config.json", config.dump());
  }

  std::map<std::string, GgufValue> keys(const std::string& name = "faq") const {
    ModelParts parts;
    parts.folder = folder_.path();
    parts.name = name;
    std::map<std::string, GgufValue> found;
    for (auto& [key, value] : tokenizer_metadata(parts, tokenizer(), kRows)) found[key] = value;
    return found;
  }
  data::Tokenizer tokenizer() const { return data::Tokenizer::load(folder_.path()); }

 private:
  TempFolder folder_;
};

template <class Value>
Value value_of(const std::map<std::string, GgufValue>& keys, const std::string& name) {
  return std::get<Value>(keys.at("tokenizer.ggml." + name));
}

TEST(GgufTokenizer, ASentencePieceVocabularyHasScoresFromItsMergesAndTypes) {
  const auto keys = SmallTokenizer().keys();
  EXPECT_EQ(value_of<std::string>(keys, "model"), "llama");
  EXPECT_EQ(value_of<std::string>(keys, "pre"), "default");
  EXPECT_EQ(keys.count("tokenizer.ggml.merges"), 0u);
  const auto tokens = value_of<std::vector<std::string>>(keys, "tokens");
  const auto scores = value_of<std::vector<float>>(keys, "scores");
  const auto types = value_of<std::vector<int32_t>>(keys, "token_type");
  ASSERT_EQ(tokens.size(), static_cast<size_t>(kRows));
  ASSERT_EQ(scores.size(), tokens.size());
  ASSERT_EQ(types.size(), tokens.size());
  EXPECT_EQ(tokens[0], "<unk>");
  EXPECT_EQ(types[0], 2);
  EXPECT_EQ(types[1], 3);
  EXPECT_EQ(tokens[3 + 10], "<0x0A>");
  EXPECT_EQ(types[3 + 10], 6);
  EXPECT_EQ(tokens[kFirstPiece + 3], "▁a");
  EXPECT_EQ(types[kFirstPiece + 3], 1);
  EXPECT_EQ(scores[kFirstPiece + 3], 0.0f);
  EXPECT_EQ(scores[kFirstPiece + 5], -1.0f);  // ▁ab
  EXPECT_EQ(scores[kFirstPiece + 4], -2.0f);  // ab
  EXPECT_EQ(tokens.back(), "[PAD279]");
  EXPECT_EQ(types.back(), 5);
  EXPECT_EQ(scores.back(), -10000.0f);
}

TEST(GgufTokenizer, ASentencePieceVocabularyNamesItsSpecialTokens) {
  const auto keys = SmallTokenizer().keys();
  EXPECT_EQ(value_of<uint32_t>(keys, "bos_token_id"), 1u);
  EXPECT_EQ(value_of<uint32_t>(keys, "eos_token_id"), 2u);
  EXPECT_EQ(value_of<uint32_t>(keys, "unknown_token_id"), 0u);
  EXPECT_EQ(keys.count("tokenizer.ggml.padding_token_id"), 0u);
  EXPECT_TRUE(value_of<bool>(keys, "add_bos_token"));
  EXPECT_TRUE(value_of<bool>(keys, "add_space_prefix"));
  const auto without = SmallTokenizer([](Json&, Json& config) { config["add_bos_token"] = false; });
  EXPECT_FALSE(value_of<bool>(without.keys(), "add_bos_token"));
}

TEST(GgufTokenizer, TheEndOfAMessageIsNamedWhereThereIsOne) {
  const SmallTokenizer small([](Json& tokenizer, Json&) {
    tokenizer["added_tokens"].push_back(added(270, "<|eom_id|>"));
  });
  EXPECT_EQ(value_of<uint32_t>(small.keys(), "eom_token_id"), 270u);
}

TEST(GgufTokenizer, NoBlankIsPutInFrontWhereTheTokenizerPutsNone) {
  const SmallTokenizer small([](Json& tokenizer, Json&) {
    tokenizer["normalizer"] = tokenizer["normalizer"]["normalizers"][1];
  });
  EXPECT_FALSE(value_of<bool>(small.keys(), "add_space_prefix"));
}

TEST(GgufTokenizer, ABlankInFrontOfTheWholeTextOnlyIsNoneInChats) {
  const auto small = [](bool has_template) {
    return SmallTokenizer([&](Json& tokenizer, Json& config) {
      tokenizer["normalizer"] = nullptr;
      tokenizer["pre_tokenizer"] = {
          {"type", "Metaspace"}, {"prepend_scheme", "first"}, {"split", false}};
      if (has_template) config["chat_template"] = "{{ bos_token }}";
    });
  };
  EXPECT_FALSE(value_of<bool>(small(true).keys(), "add_space_prefix"));
  EXPECT_TRUE(value_of<bool>(small(false).keys(), "add_space_prefix"));
}

TEST(GgufTokenizer, AddedTokensOfBlanksThatMergesMakeAreWrittenWithBlanks) {
  const SmallTokenizer small([](Json& tokenizer, Json&) {
    tokenizer["model"]["vocab"]["▁▁"] = 270;
    tokenizer["model"]["merges"].push_back({"▁", "▁"});
    tokenizer["added_tokens"].push_back(added(270, "▁▁", false));
    tokenizer["added_tokens"].push_back(added(271, "▁▁▁", false));
    tokenizer["added_tokens"].push_back(added(272, "<tool>", false));
  });
  const auto keys = small.keys();
  const auto tokens = value_of<std::vector<std::string>>(keys, "tokens");
  const auto types = value_of<std::vector<int32_t>>(keys, "token_type");
  EXPECT_EQ(tokens[270], "  ");
  EXPECT_EQ(tokens[271], "▁▁▁");
  EXPECT_EQ(tokens[272], "<tool>");
  for (const size_t id : {270u, 271u, 272u}) EXPECT_EQ(types[id], 4) << id;
}

TEST(GgufTokenizer, WhatLlamaCppDoesOtherwiseIsRefused) {
  const struct {
    const char* part;
    SmallTokenizer::Change change;
  } rows[] = {
      {"not every byte",
       [](Json& tokenizer, Json&) { tokenizer["model"]["vocab"].erase("<0x0A>"); }},
      {"looks words up whole",
       [](Json& tokenizer, Json&) { tokenizer["model"]["ignore_merges"] = true; }},
      {"does not write blanks", [](Json& tokenizer, Json&) { tokenizer["normalizer"] = nullptr; }},
      {"cuts text at every blank", [](Json& tokenizer, Json&) {
         tokenizer["normalizer"] = nullptr;
         tokenizer["pre_tokenizer"] = {
             {"type", "Metaspace"}, {"prepend_scheme", "always"}, {"split", true}};
         tokenizer["model"]["vocab"]["a▁"] = 270;
         tokenizer["model"]["merges"].push_back({"a", "▁"});
       }}};
  for (const auto& row : rows)
    EXPECT_TRUE(raises("F094", {row.part}, [&] { SmallTokenizer(row.change).keys(); }));
}

TEST(GgufTokenizer, CutsAtBlanksAreFineWhereNoPieceGoesAcrossThem) {
  const SmallTokenizer small([](Json& tokenizer, Json&) {
    tokenizer["normalizer"] = nullptr;
    tokenizer["pre_tokenizer"] = {
        {"type", "Metaspace"}, {"prepend_scheme", "always"}, {"split", true}};
  });
  EXPECT_TRUE(value_of<bool>(small.keys(), "add_space_prefix"));
}

SmallTokenizer phi3_tokenizer() {
  return SmallTokenizer([](Json& tokenizer, Json&) {
    tokenizer["added_tokens"].push_back(added(270, "<|endoftext|>"));
    Json user = added(271, "<|user|>");
    user["rstrip"] = true;
    tokenizer["added_tokens"].push_back(user);
  });
}

TEST(GgufTokenizer, Phi3StaysInTheNameOfItsModels) {
  const data::Tokenizer tokenizer = phi3_tokenizer().tokenizer();
  EXPECT_EQ(gguf_name_for("faq", tokenizer), "Phi-3 faq");
  EXPECT_EQ(gguf_name_for("my PHI3 faq", tokenizer), "my PHI3 faq");
  EXPECT_EQ(gguf_name_for("Phi-3.5-mini", tokenizer), "Phi-3.5-mini");
  EXPECT_EQ(std::get<std::string>(phi3_tokenizer().keys().at("general.name")), "Phi-3 faq");
}

// llama.cpp would not load a file of that name for want of the tokens, or take blanks away.
TEST(GgufTokenizer, Phi3GoesFromTheNameOfOthers) {
  const data::Tokenizer tokenizer = SmallTokenizer().tokenizer();
  EXPECT_EQ(gguf_name_for("faq", tokenizer), "faq");
  EXPECT_EQ(gguf_name_for("better-than-Phi-3", tokenizer), "better-than-Phi 3");
  EXPECT_EQ(gguf_name_for("phi3-and-PHI-3", tokenizer), "phi 3-and-PHI 3");
}

TEST(GgufTokenizer, SpecialTokensThatKeepBlanksDoNotMakePhi3) {
  const SmallTokenizer small([](Json& tokenizer, Json&) {
    tokenizer["added_tokens"].push_back(added(270, "<|endoftext|>"));
  });
  EXPECT_EQ(gguf_name_for("phi-3", small.tokenizer()), "phi 3");
}

}  // namespace
}  // namespace slmtune::exporting
