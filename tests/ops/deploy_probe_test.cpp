#include "ops/deploy/probe.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/expect_error.h"

namespace slmtune::ops {
namespace {

class ProbeOfTheTinyModel : public ::testing::Test {
 protected:
  const std::filesystem::path folder =
      std::filesystem::path(SLMTUNE_SOURCE_DIR) / "configs/models/tiny";
  const data::Tokenizer tokenizer = data::Tokenizer::load(folder);
};

TEST_F(ProbeOfTheTinyModel, AHundredDifferentChatsEndWithTheGenerationPrompt) {
  const data::ChatTemplate& chat = data::ChatTemplate::by_name("chatml");
  const Probe probe = make_probe(tokenizer, &chat);
  EXPECT_TRUE(probe.is_chat);
  ASSERT_EQ(probe.prompts.size(), 100u);
  std::set<std::vector<int32_t>> different;
  for (const ProbePrompt& prompt : probe.prompts) {
    different.insert(prompt.ids);
    EXPECT_EQ(prompt.ids, data::prompt_ids(prompt.messages, tokenizer, chat));
    EXPECT_EQ(prompt.messages.back().role, "user");
  }
  EXPECT_EQ(different.size(), 100u);
}

TEST_F(ProbeOfTheTinyModel, EveryTemplateTakesTheChats) {
  const Probe probe = make_probe(tokenizer, &data::ChatTemplate::by_name("chatml"));
  for (const data::ChatTemplate& chat : data::ChatTemplate::all())
    for (const ProbePrompt& prompt : probe.prompts)
      if (chat.takes.system || prompt.messages.front().role != "system") {
        EXPECT_NO_THROW(chat.render(prompt.messages, true)) << chat.name;
      }
}

TEST_F(ProbeOfTheTinyModel, AModelWithoutATemplateReadsPlainTexts) {
  const Probe probe = make_probe(tokenizer, nullptr, 30);
  EXPECT_FALSE(probe.is_chat);
  ASSERT_EQ(probe.prompts.size(), 30u);
  EXPECT_EQ(probe.prompts[0].ids, tokenizer.encode(probe.prompts[0].text));
}

TEST(ProbeResultTest, TellsHowManyDiffer) {
  EXPECT_NO_THROW(check_probe({.prompts = 100, .equal = 100}, "here"));
  EXPECT_NE(testing::thrown_text([] {
              check_probe({.prompts = 100, .equal = 97}, "http://127.0.0.1:1");
            }).find("http://127.0.0.1:1: error[V002]: 3 of 100 probe chats become other tokens"),
            std::string::npos);
}

TEST(ProbeResultTest, OneThatComparedNothingProvesNothing) {
  EXPECT_EQ(testing::thrown_code([] { check_probe({.by_count = true, .was_asked = true}, "x"); }),
            "V002");
  EXPECT_NO_THROW(check_probe({}, "a folder, which nobody asks"));
}

}  // namespace
}  // namespace slmtune::ops
