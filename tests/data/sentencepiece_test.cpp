// tokenizer.model: what SentencePiece does with text, and every way in which the file can be wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/error.h"
#include "core/seed.h"
#include "tests/data/small_sentencepiece.h"
#include "tests/data/small_tokenizer.h"
#include "tests/data/wrong_file.h"

namespace slmtune::data {
namespace {

using ::testing::ElementsAre;
using testing::field;
using ::testing::IsEmpty;
using testing::load;
using testing::SmallSentencePiece;
using testing::TempFolder;

enum : int32_t { kAB = 259, kSpaceAB, kABC, kTwoSpaces, kSpace, kA, kB, kC, kEAcute };

int32_t byte_token(int byte) {
  return 3 + byte;
}

TEST(SentencePiece, MergesByScoreAfterABlankInFront) {
  TempFolder folder;
  const Tokenizer tokenizer = load(SmallSentencePiece(), folder);
  EXPECT_EQ(tokenizer.kind(), TokenizerKind::kSentencePiece);
  EXPECT_THAT(tokenizer.encode("ab"), ElementsAre(kSpaceAB));
  EXPECT_THAT(tokenizer.encode("abc"), ElementsAre(kSpaceAB, kC));
  EXPECT_THAT(tokenizer.encode("c abc"), ElementsAre(kSpace, kC, kSpaceAB, kC));
  EXPECT_THAT(tokenizer.encode(" ab"), ElementsAre(kSpace, kSpaceAB));
  EXPECT_THAT(tokenizer.encode("   "), ElementsAre(kTwoSpaces, kTwoSpaces));
  EXPECT_THAT(tokenizer.encode(""), IsEmpty());
}

TEST(SentencePiece, SpellsUnknownCharactersInBytes) {
  TempFolder folder;
  const Tokenizer tokenizer = load(SmallSentencePiece(), folder);
  EXPECT_THAT(tokenizer.encode("éж"),
              ElementsAre(kSpace, kEAcute, byte_token(0xD0), byte_token(0xB6)));
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("é ж🦙 ab")), "é ж🦙 ab");
}

TEST(SentencePiece, ControlPiecesAreRecognisedAndStartTextAnew) {
  TempFolder folder;
  const Tokenizer tokenizer = load(SmallSentencePiece(), folder);
  EXPECT_THAT(tokenizer.encode("<s>ab</s>ab"), ElementsAre(1, kSpaceAB, 2, kSpaceAB));
  EXPECT_TRUE(tokenizer.is_special(1));
  EXPECT_EQ(tokenizer.bos(), 1);
  EXPECT_EQ(tokenizer.eos(), 2);
  EXPECT_EQ(tokenizer.pad(), std::nullopt);
  EXPECT_THAT(tokenizer.stop_ids(), ElementsAre(2));
  EXPECT_TRUE(tokenizer.adds_bos());
}

TEST(SentencePiece, TheOptionsOfLlamaTokenizerCount) {
  TempFolder folder;
  folder.write("tokenizer_config.json", R"({"legacy": false, "add_bos_token": false})");
  const Tokenizer first = load(SmallSentencePiece(), folder);
  EXPECT_THAT(first.encode("ab<s>ab"), ElementsAre(kSpaceAB, 1, kAB));
  EXPECT_FALSE(first.adds_bos());
  folder.write("tokenizer_config.json", R"({"add_prefix_space": false, "add_bos_token": true})");
  const Tokenizer bare = load(SmallSentencePiece(), folder);
  EXPECT_THAT(bare.encode("ab ab"), ElementsAre(kAB, kSpaceAB));
  EXPECT_EQ(bare.decode(bare.encode(" ab")), " ab");
  EXPECT_FALSE(bare.prefixes_space());
  EXPECT_TRUE(bare.adds_bos());
}

TEST(SentencePiece, UserDefinedPiecesNeverMerge) {
  TempFolder folder;
  SmallSentencePiece model;
  model.pieces.push_back({"b▁a", 0, TokenType::kUserDefined});
  const Tokenizer tokenizer = load(model, folder);
  EXPECT_THAT(tokenizer.encode("ab abc"), ElementsAre(kSpace, kA, 268, kB, kC));
  EXPECT_FALSE(tokenizer.is_special(268));
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{268}), "b a");
}

TEST(SentencePiece, RemovesExtraBlanksWhenAsked) {
  TempFolder folder;
  SmallSentencePiece model;
  model.normalizer = field(4, uint64_t{1});
  const Tokenizer tokenizer = load(model, folder);
  EXPECT_THAT(tokenizer.encode("  ab   c  "), ElementsAre(kSpaceAB, kSpace, kC));
  EXPECT_THAT(tokenizer.encode("   "), IsEmpty());
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{kSpace, kSpaceAB, kSpaceAB}), "ab ab");
}

TEST(SentencePiece, WithoutDummyPrefixTextStaysAsItIs) {
  TempFolder folder;
  SmallSentencePiece model;
  model.normalizer += field(3, uint64_t{0});
  const Tokenizer tokenizer = load(model, folder);
  EXPECT_THAT(tokenizer.encode("ab ab"), ElementsAre(kAB, kSpaceAB));
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(" ab")), " ab");
}

TEST(SentencePiece, WithoutBytesUnknownCharactersFuse) {
  TempFolder folder;
  SmallSentencePiece model;
  model.trainer = field(3, uint64_t{2});
  const Tokenizer tokenizer = load(model, folder);
  EXPECT_THAT(tokenizer.encode("aжжb"), ElementsAre(kSpace, kA, 0, kB));
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("aжb")), "a ⁇ b");
}

TEST(SentencePiece, ACharacterThatIsOnlyInsidePiecesStillMerges) {
  TempFolder folder;
  SmallSentencePiece model;
  model.pieces.push_back({"\t\t", -20});
  const Tokenizer tokenizer = load(model, folder);
  EXPECT_THAT(tokenizer.encode("a\t\t\tb"), ElementsAre(kSpace, kA, 268, byte_token('\t'), kB));
}

TEST(SentencePiece, DecodesLikeThePackage) {
  TempFolder folder;
  const Tokenizer tokenizer = load(SmallSentencePiece(), folder);
  auto decode = [&](std::vector<int32_t> ids) { return tokenizer.decode(ids); };
  EXPECT_EQ(decode({1, kSpaceAB, 2}), "ab");
  EXPECT_EQ(decode({kTwoSpaces, kA}), " a");
  EXPECT_EQ(decode({kA, kSpaceAB}), "a ab");
  EXPECT_EQ(decode({0, kA}), " ⁇ a");
  EXPECT_EQ(decode({byte_token(0xF0), byte_token(0x9F), byte_token('x')}), "\uFFFD\uFFFDx");
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{1, kSpaceAB}, false), "<s> ab");
}

TEST(SentencePiece, AStreamHoldsBytesBackUntilTheirRunEnds) {
  TempFolder folder;
  const Tokenizer tokenizer = load(SmallSentencePiece(), folder);
  StreamDecoder decoder(tokenizer);
  EXPECT_EQ(decoder.push(kSpaceAB), "ab");
  EXPECT_EQ(decoder.push(byte_token(0xD0)), "");
  EXPECT_EQ(decoder.push(byte_token(0xB6)), "");
  EXPECT_EQ(decoder.push(kSpaceAB), "ж ab");
  EXPECT_EQ(decoder.push(byte_token(0xD0)), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD");
}

TEST(SentencePiece, GivesScoresAndTypesForAnExport) {
  TempFolder folder;
  const Tokenizer tokenizer = load(SmallSentencePiece(), folder);
  EXPECT_EQ(tokenizer.score(kABC), -2);
  EXPECT_EQ(tokenizer.type(0), TokenType::kUnknown);
  EXPECT_EQ(tokenizer.type(1), TokenType::kControl);
  EXPECT_EQ(tokenizer.type(byte_token(7)), TokenType::kByte);
  EXPECT_EQ(tokenizer.type(kABC), TokenType::kNormal);
  EXPECT_EQ(tokenizer.type(-1), TokenType::kUnused);
  EXPECT_EQ(tokenizer.score(9999), 0);
  EXPECT_TRUE(tokenizer.prefixes_space());
  EXPECT_EQ(tokenizer.ggml_pre(), "");
  EXPECT_EQ(tokenizer.pieces_name(kSpaceAB), "▁ab");
  EXPECT_EQ(tokenizer.file(), folder.path() / "tokenizer.model");
}

TEST(SentencePiece, SpansNameTheTextThatATokenBeginsIn) {
  TempFolder folder;
  const Tokenizer tokenizer = load(SmallSentencePiece(), folder);
  const std::vector<std::string_view> spans = {"a", "b a", "<s>", "b"};
  const auto encoding = tokenizer.encode_spans(spans);
  EXPECT_EQ(encoding.ids, tokenizer.encode("ab a<s>b"));
  EXPECT_THAT(encoding.ids, ElementsAre(kSpaceAB, kSpace, kA, 1, kSpace, kB));
  EXPECT_THAT(encoding.span_of, ElementsAre(0, 1, 1, 2, 3, 3));
}

TEST(SentencePiece, TokenizerJsonWinsOverTokenizerModel) {
  TempFolder folder;
  folder.write("tokenizer.json", testing::small_tokenizer().dump());
  EXPECT_EQ(load(SmallSentencePiece(), folder).kind(), TokenizerKind::kByteLevel);
}

TEST(SentencePiece, ALongTextIsNotQuadratic) {
  TempFolder folder;
  const Tokenizer tokenizer = load(SmallSentencePiece(), folder);
  EXPECT_GT(tokenizer.encode(std::string(1'000'000, ' ')).size(),
            400'000u);  // minutes if it were
  std::string text;
  while (text.size() < 1'000'000) text += "abcab ";
  EXPECT_GT(tokenizer.encode(text).size(), 150'000u);
}

using Wrong = testing::Wrong<SmallSentencePiece>;

class WrongSentencePiece : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongSentencePiece, IsRefusedWithItsCode) {
  TempFolder folder;
  SmallSentencePiece model;
  GetParam().change(model);
  EXPECT_TRUE(testing::raises(GetParam().code, {}, [&] { load(model, folder); }));
}

using Model = SmallSentencePiece;
const Wrong kWrong[] = {
    Wrong{"Unigram", "F031", [](Model& m) { m.trainer = field(3, uint64_t{1}); }},
    Wrong{"NoModelType", "F031", [](Model& m) { m.trainer.clear(); }},
    Wrong{"StrangeModelType", "F031", [](Model& m) { m.trainer = field(3, ~uint64_t{0}); }},
    Wrong{"CharacterMap", "F031",
          [](Model& m) {
            m.normalizer = field(1, std::string("nmt_nfkc")) + field(2, std::string("map"));
          }},
    Wrong{"Denormalizer", "F031",
          [](Model& m) { m.more = field(5, field(2, std::string("map"))); }},
    Wrong{"SpaceAsSuffix", "F031", [](Model& m) { m.trainer += field(24, uint64_t{1}); }},
    Wrong{"BareSpaces", "F031", [](Model& m) { m.normalizer += field(5, uint64_t{0}); }},
    Wrong{"UnusedPieceThatMergesMake", "F031",
          [](Model& m) { m.pieces[kABC].type = TokenType::kUnused; }},
    Wrong{"UserDefinedBlank", "F031",
          [](Model& m) {
            m.normalizer = field(4, uint64_t{1});
            m.pieces.push_back({"a  b", 0, TokenType::kUserDefined});
          }},
    Wrong{"BareCharacterWithoutBytes", "F031",
          [](Model& m) {
            m.trainer = field(3, uint64_t{2});
            m.pieces.push_back({"\t\t", -20});
          }},
    Wrong{"BrokenUtf8", "F030", [](Model& m) { m.pieces[kA].text = "\xFF"; }},
    Wrong{"PieceIsANumber", "F030", [](Model& m) { m.more = field(1, uint64_t{7}); }},
    Wrong{"TextIsANumber", "F030", [](Model& m) { m.more = field(1, field(1, uint64_t{7})); }},
    Wrong{"StrangeType", "F030", [](Model& m) { m.pieces[kA].type = static_cast<TokenType>(9); }},
    Wrong{"ScoreIsANumber", "F030", [](Model& m) { m.more = field(1, field(2, uint64_t{7})); }},
    Wrong{"LengthBeyondTheEnd", "F030", [](Model& m) { m.more = "\x0A\x7F"; }},
    Wrong{"Group", "F030", [](Model& m) { m.more = "\x0B"; }},
    Wrong{"ScoreIsNotFinite", "F032",
          [](Model& m) { m.pieces[kA].score = std::numeric_limits<float>::quiet_NaN(); }},
    Wrong{"LongPiece", "F032", [](Model& m) { m.pieces[kA].text = std::string(600, 'a'); }},
    Wrong{"EmptyPiece", "F032", [](Model& m) { m.pieces[kA].text.clear(); }},
    Wrong{"PieceTwice", "F032", [](Model& m) { m.pieces[kA].text = "b"; }},
    Wrong{"NoUnknown", "F032", [](Model& m) { m.pieces[0].type = TokenType::kControl; }},
    Wrong{"TwoUnknown", "F032", [](Model& m) { m.pieces[1].type = TokenType::kUnknown; }},
    Wrong{"ByteMissing", "F032", [](Model& m) { m.pieces[5].type = TokenType::kControl; }},
    Wrong{"ByteWithoutNumber", "F032", [](Model& m) { m.pieces[kA].type = TokenType::kByte; }},
    Wrong{"NoPieces", "F032", [](Model& m) { m.pieces.clear(); }}};

INSTANTIATE_TEST_SUITE_P(All, WrongSentencePiece, ::testing::ValuesIn(kWrong),
                         testing::name_of<SmallSentencePiece>);

TEST(SentencePiece, AListOfRanksIsNamedAsSuch) {
  TempFolder folder;
  folder.write("tokenizer.model", "IQ== 0\nIg== 1\n");
  EXPECT_TRUE(testing::raises("F031", {}, [&] { Tokenizer::load(folder.path()); }));
}

TEST(SentencePiece, DamagedFilesNeverCrash) {
  TempFolder folder;
  const std::string whole = SmallSentencePiece().bytes();
  SplitMix64 random(3);
  for (int round = 0; round < 500; ++round) {
    std::string damaged = whole;
    if (round % 3 == 0)
      damaged.resize(random.below(whole.size()));
    else
      for (uint64_t count = 1 + random.below(4); count > 0; --count)
        damaged[random.below(whole.size())] = static_cast<char>(random.below(256));
    folder.write("tokenizer.model", damaged);
    try {
      const Tokenizer tokenizer = Tokenizer::load(folder.path());
      tokenizer.decode(tokenizer.encode("abc  aab <s> e\u0301 123"));
    } catch (const Error& error) {
      EXPECT_EQ(error.code().substr(0, 2), "F0");
    }
  }
}

}  // namespace
}  // namespace slmtune::data
