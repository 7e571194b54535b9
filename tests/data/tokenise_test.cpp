// From conversations and texts to ids and labels.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"
#include "data/chat/chat_template.h"
#include "tests/data/small_tokenizer.h"

namespace slmtune::data {
namespace {

using ::testing::ElementsAre;
using testing::load;
using testing::small_tokenizer;
using testing::TempFolder;

std::string trained_text(const Tokens& tokens, const Tokenizer& tokenizer) {
  std::vector<int32_t> ids;
  for (int32_t label : tokens.labels)
    if (label != kNotTrained) ids.push_back(label);
  return tokenizer.decode(ids, false);
}

TEST(Tokenise, LabelsTheAssistantsTextAndEndOfTurnOnly) {
  TempFolder folder;
  const Tokenizer tokenizer = load(small_tokenizer(), folder);
  const ChatTemplate& chat = ChatTemplate::by_name("chatml");
  Example example;
  example.messages = {{"user", "abc", false}, {"assistant", "one", true},
                      {"user", "x", false},   {"assistant", "two", false},
                      {"user", "y", false},   {"assistant", "aa", true}};
  const Tokens tokens = tokenise(example, tokenizer, &chat);
  EXPECT_EQ(tokens.ids, tokenizer.encode(chat.render_text(example.messages, false)));
  EXPECT_EQ(trained_text(tokens, tokenizer), "one<|im_end|>aa<|im_end|>");
  for (size_t i = 0; i < tokens.ids.size(); ++i)
    EXPECT_TRUE(tokens.labels[i] == kNotTrained || tokens.labels[i] == tokens.ids[i]);
  EXPECT_EQ(tokens.trained(), 4 + 2);
}

TEST(Tokenise, PromptIdsArePrefixOfTheTrainedRow) {
  TempFolder folder;
  const Tokenizer tokenizer = load(small_tokenizer(), folder);
  const ChatTemplate& chat = ChatTemplate::by_name("chatml");
  Example example;
  example.messages = {{"user", "abc", false}, {"assistant", "ab", true}};
  const Tokens tokens = tokenise(example, tokenizer, &chat);
  const std::vector<int32_t> prompt =
      prompt_ids(std::span(example.messages).first(1), tokenizer, chat);
  ASSERT_LT(prompt.size(), tokens.ids.size());
  EXPECT_TRUE(std::equal(prompt.begin(), prompt.end(), tokens.ids.begin()));
  EXPECT_NE(tokens.labels[prompt.size()], kNotTrained);
  EXPECT_EQ(tokens.labels[prompt.size() - 1], kNotTrained);
}

TEST(Tokenise, TextEndsInTrainedEos) {
  TempFolder folder;
  folder.write("tokenizer_config.json", R"({"eos_token": "<|im_end|>"})");
  const Tokenizer tokenizer = load(small_tokenizer(), folder);
  Example example;
  example.kind = Example::Kind::kText;
  example.spans = {{"abc", false}, {" a", true}};
  const Tokens tokens = tokenise(example, tokenizer, nullptr);
  EXPECT_THAT(tokens.ids, ElementsAre(257, 258, 301));
  EXPECT_THAT(tokens.labels, ElementsAre(kNotTrained, 258, 301));
}

TEST(Tokenise, TextBeginsWithBosOnceWhereTheTokenizerAddsIt) {
  TempFolder folder;
  folder.write("tokenizer_config.json", R"({"eos_token": "<|im_end|>"})");
  nlohmann::json json = small_tokenizer();
  json["post_processor"] = nlohmann::json::parse(
      R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}]})");
  const Tokenizer tokenizer = load(json, folder);
  Example example;
  example.kind = Example::Kind::kText;
  for (const char* text : {"abc", "<|im_start|>abc"}) {
    example.spans = {{text, true}};
    EXPECT_THAT(tokenise(example, tokenizer, nullptr).ids, ElementsAre(300, 257, 301));
    EXPECT_THAT(plain_ids(text, tokenizer), ElementsAre(300, 257));
  }
}

// A tokenizer whose rule puts the first of the marks in front of plain text.
nlohmann::json with_bos(const std::vector<std::string>& marks) {
  nlohmann::json json = small_tokenizer(marks);
  json["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {{{"SpecialToken", {{"id", marks.at(0)}, {"type_id", 0}}}}}}};
  return json;
}

TEST(Tokenise, AConversationHasTheBosOfItsTemplateAndNoSecondOne) {
  const std::vector<Message> talk = {{"user", "ab", false}, {"assistant", "abc", true}};
  const std::pair<const char*, std::vector<std::string>> cases[] = {
      {"gemma2", {"<bos>", "<start_of_turn>", "<end_of_turn>"}},
      {"llama3.1", {"<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}},
      {"mistral-v1", {"<s>", "</s>"}},
      {"mistral-v3", {"<s>", "</s>", "[INST]", "[/INST]"}}};
  for (const auto& [name, marks] : cases) {
    TempFolder folder;
    const Tokenizer tokenizer = load(with_bos(marks), folder);
    ASSERT_TRUE(tokenizer.adds_bos()) << name;
    Example example;
    example.messages = talk;
    const ChatTemplate& chat = ChatTemplate::by_name(name);
    const Tokens tokens = tokenise(example, tokenizer, &chat);
    EXPECT_EQ(std::count(tokens.ids.begin(), tokens.ids.end(), 400), 1) << name;
    EXPECT_EQ(tokens.ids.front(), 400) << name;
    EXPECT_EQ(tokens.labels.front(), kNotTrained) << name;
    const int32_t end = *tokenizer.id_of(chat.end_of_turn);
    EXPECT_EQ(std::count(tokens.labels.begin(), tokens.labels.end(), end), 1) << name;
    const std::vector<int32_t> prompt = prompt_ids(std::span(talk).first(1), tokenizer, chat);
    EXPECT_EQ(std::count(prompt.begin(), prompt.end(), 400), 1) << name;
  }
}

TEST(Tokenise, WithoutEosTemplateOrEndOfTurnItStops) {
  TempFolder folder;
  const Tokenizer tokenizer = load(small_tokenizer(), folder);
  auto code = [&](const Example& example, const ChatTemplate* chat) {
    try {
      tokenise(example, tokenizer, chat);
      return std::string();
    } catch (const Error& error) {
      return error.code();
    }
  };
  Example text;
  text.kind = Example::Kind::kText;
  text.spans = {{"a", true}};
  EXPECT_EQ(code(text, nullptr), "F042");
  Example talk;
  talk.messages = {{"user", "a", false}, {"assistant", "b", true}};
  EXPECT_EQ(code(talk, nullptr), "F041");
  EXPECT_EQ(code(talk, &ChatTemplate::by_name("llama3")), "F042");
}

TEST(Tokens, TheFirstTokenIsNeverTrained) {
  EXPECT_EQ((Tokens{{1, 2, 3}, {1, kNotTrained, 3}}).trained(), 1);
  EXPECT_EQ((Tokens{{1}, {1}}).trained(), 0);
  EXPECT_EQ((Tokens{}).trained(), 0);
}

}  // namespace
}  // namespace slmtune::data
