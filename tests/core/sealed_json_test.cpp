#include "core/sealed_json.h"

#include <gtest/gtest.h>

namespace slmtune {
namespace {

TEST(SealedJson, TellsEveryFlippedBitAndEveryCut) {
  const OrderedJson json = {{"name", "faq"}, {"steps", 3}, {"nested", {{"a", 1.5}}}};
  const std::string text = sealed(json, "seal");
  ASSERT_TRUE(is_seal_whole(text, "seal"));
  EXPECT_EQ(Json::parse(text).at("steps"), 3);
  EXPECT_EQ(Json::parse(text).at("seal").get<std::string>().size(), 64u);
  for (size_t cut = 0; cut < text.size(); ++cut)
    EXPECT_FALSE(is_seal_whole(text.substr(0, cut), "seal")) << cut;
  for (size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string changed = text;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(is_seal_whole(changed, "seal")) << bit;
  }
}

TEST(SealedJson, ATextWithoutASealIsNotWhole) {
  EXPECT_FALSE(is_seal_whole("{\"a\": 1}\n", "seal"));
  EXPECT_FALSE(is_seal_whole("", "seal"));
  EXPECT_FALSE(is_seal_whole(sealed({{"a", 1}}, "other"), "seal"));
}

TEST(SealedJson, SealingAgainGivesTheSameText) {
  const std::string text = sealed({{"a", 1}}, "seal");
  EXPECT_EQ(sealed(OrderedJson::parse(text), "seal"), text);
}

}  // namespace
}  // namespace slmtune
