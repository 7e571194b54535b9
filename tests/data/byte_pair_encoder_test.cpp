#include "data/tokenizer/byte_pair_encoder.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "core/seed.h"

namespace slmtune::data {
namespace {

// A vocabulary over a, b, c whose merges are all strings of 2 to 4 letters, in a mixed order.
struct Fixture {
  Fixture() : vocabulary(200) {
    std::vector<std::string> pieces = {"a", "b", "c"};
    for (size_t begin = 0, length = 2; length <= 4; ++length) {
      const size_t end = pieces.size();
      for (; begin < end; ++begin)
        for (const char* letter : {"a", "b", "c"}) pieces.push_back(pieces[begin] + letter);
    }
    for (size_t i = 0; i < pieces.size(); ++i) vocabulary.add(pieces[i], static_cast<int32_t>(i));
    SplitMix64 random(5);
    for (uint64_t i : permutation(pieces.size(), 3)) {
      if (pieces[i].size() < 2) continue;
      const size_t cut = 1 + random.below(pieces[i].size() - 1);
      merges.push_back({vocabulary.find(pieces[i].substr(0, cut)),
                        vocabulary.find(pieces[i].substr(cut)), static_cast<int32_t>(i),
                        static_cast<uint32_t>(merges.size())});
    }
  }
  Vocabulary vocabulary;
  std::vector<Merge> merges;
};

// The definition, word for word: merge the pair of lowest rank, leftmost first, until none is left.
std::vector<int32_t> by_definition(const Fixture& fixture, const std::string& text) {
  std::map<std::pair<int32_t, int32_t>, size_t> ranks;
  for (size_t i = 0; i < fixture.merges.size(); ++i)
    ranks[{fixture.merges[i].left, fixture.merges[i].right}] = i;
  std::vector<int32_t> ids;
  for (char c : text) ids.push_back(fixture.vocabulary.find(std::string(1, c)));
  for (;;) {
    size_t best = fixture.merges.size(), at = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      auto found = ranks.find({ids[i], ids[i + 1]});
      if (found != ranks.end() && found->second < best) best = found->second, at = i;
    }
    if (best == fixture.merges.size()) return ids;
    ids[at] = fixture.merges[best].result;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

std::vector<int32_t> ids_of(const BytePairEncoder& encoder, std::string_view text) {
  std::vector<EncodedPiece> tokens;
  encoder.encode(text, tokens);
  std::vector<int32_t> ids;
  for (const EncodedPiece& token : tokens) ids.push_back(token.id);
  return ids;
}

TEST(BytePairEncoder, FollowsTheDefinitionForShortAndLongPieces) {
  const Fixture fixture;
  const BytePairEncoder encoder(fixture.vocabulary, fixture.merges, {});
  SplitMix64 random(11);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (uint64_t length = 1 + random.below(round % 10 == 0 ? 300 : 30); length > 0; --length)
      text += static_cast<char>('a' + random.below(round % 3 + 1));
    const auto expected = by_definition(fixture, text);
    EXPECT_EQ(ids_of(encoder, text), expected);
    EXPECT_EQ(ids_of(encoder, text), expected) << "from the cache";
  }
}

TEST(BytePairEncoder, GivesTheFirstByteOfEachToken) {
  const Fixture fixture;
  const BytePairEncoder encoder(fixture.vocabulary, fixture.merges, {});
  for (const std::string& text : {std::string("abcabcab"), std::string(100, 'a') + "bcb"})
    for (int round = 0; round < 2; ++round) {
      std::vector<EncodedPiece> tokens;
      encoder.encode(text, tokens);
      size_t begin = 0;
      for (const EncodedPiece& token : tokens) {
        EXPECT_EQ(token.begin, begin);
        begin += fixture.vocabulary.bytes(token.id).size();
      }
      EXPECT_EQ(begin, text.size());
    }
}

TEST(BytePairEncoder, ALongRunIsNotQuadratic) {
  const Fixture fixture;
  const BytePairEncoder encoder(fixture.vocabulary, fixture.merges, {});
  const std::string run(2'000'000, 'a');  // minutes if it were
  EXPECT_LE(ids_of(encoder, run).size(), run.size());
}

TEST(BytePairEncoder, CachesOfTwoEncodersDoNotMix) {
  const Fixture fixture;
  const BytePairEncoder merging(fixture.vocabulary, fixture.merges, {});
  const BytePairEncoder plain(fixture.vocabulary, {}, {});
  for (int round = 0; round < 3; ++round) {
    EXPECT_LT(ids_of(merging, "abcabc").size(), 6u);
    EXPECT_EQ(ids_of(plain, "abcabc").size(), 6u);
  }
}

}  // namespace
}  // namespace slmtune::data
