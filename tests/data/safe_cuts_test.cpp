#include "data/tokenizer/safe_cuts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/seed.h"

namespace slmtune::data {
namespace {

using ::testing::ElementsAre;

struct Pieces {
  explicit Pieces(const std::vector<std::string>& texts) : vocabulary(200) {
    for (size_t i = 0; i < texts.size(); ++i) vocabulary.add(texts[i], static_cast<int32_t>(i));
    for (size_t i = 0; i < texts.size(); ++i)
      for (size_t cut = 1; cut < texts[i].size(); ++cut) {
        const int32_t left = vocabulary.find(texts[i].substr(0, cut));
        const int32_t right = vocabulary.find(texts[i].substr(cut));
        if (left >= 0 && right >= 0)
          merges.push_back({left, right, static_cast<int32_t>(i), static_cast<uint32_t>(i)});
      }
  }
  Vocabulary vocabulary;
  std::vector<Merge> merges;
};

std::vector<std::string> cut(const SafeCuts& cuts, std::string_view text) {
  std::vector<std::string> pieces;
  for (size_t at = 0; at < text.size();) {
    const size_t end = cuts.end_of_piece(text, at);
    pieces.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return pieces;
}

TEST(SafeCuts, CutsWhereNoPieceJoins) {
  const Pieces pieces({"▁", "a", "b", "c", "▁a", "ab", "é", "bé"});
  const SafeCuts cuts(pieces.vocabulary, pieces.merges, false);
  EXPECT_THAT(cut(cuts, "▁abca▁ab"), ElementsAre("▁ab", "c", "a", "▁ab"));
  EXPECT_THAT(cut(cuts, "abéb"), ElementsAre("abé", "b"));
}

TEST(SafeCuts, WithoutMergesOnlyTheMarkCuts) {
  EXPECT_THAT(cut(SafeCuts(false), "▁ab▁▁c"), ElementsAre("▁ab▁▁c"));
  EXPECT_THAT(cut(SafeCuts(true), "x▁ab▁▁c"), ElementsAre("x", "▁ab", "▁", "▁c"));
}

TEST(SafeCuts, CuttingNeverChangesTheTokens) {
  BytePairEncoder::Options options;
  options.characters = true;
  const Pieces pieces({"a", "b", "c", "d", "ab", "bc", "cd", "aa", "abab", "cc", "ccd", "da"});
  const BytePairEncoder encoder(pieces.vocabulary, pieces.merges, options);
  const SafeCuts cuts(pieces.vocabulary, pieces.merges, false);
  SplitMix64 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (uint64_t length = 1 + random.below(60); length > 0; --length)
      text += static_cast<char>('a' + random.below(4));
    std::vector<EncodedPiece> whole, parts;
    encoder.encode(text, whole);
    for (const std::string& piece : cut(cuts, text)) encoder.encode(piece, parts);
    ASSERT_EQ(whole.size(), parts.size()) << text;
    for (size_t i = 0; i < whole.size(); ++i) EXPECT_EQ(whole[i].id, parts[i].id) << text;
  }
}

}  // namespace
}  // namespace slmtune::data
