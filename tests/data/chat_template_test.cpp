#include "data/chat/chat_template.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/chat/jinja_facts.h"
#include "tests/support/temp_folder.h"

namespace slmtune::data {
namespace {

using testing::TempFolder;

const std::vector<Message> kTalk = {{"system", "Be brief.", false},
                                    {"user", "Hi", false},
                                    {"assistant", "Hello!", true},
                                    {"user", " 2+2? ", false}};

std::string rendered(std::string_view name, std::span<const Message> messages, bool prompt = true) {
  return ChatTemplate::by_name(name).render_text(messages, prompt);
}

TEST(ChatTemplate, ChatmlPrintsRolesAsTheyAre) {
  EXPECT_EQ(rendered("chatml", kTalk),
            "<|im_start|>system\nBe "
            "brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello!"
            "<|im_end|>\n<|im_start|>user\n 2+2? <|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(rendered("chatml", std::span(kTalk).subspan(1, 1), false),
            "<|im_start|>user\nHi<|im_end|>\n");
}

TEST(ChatTemplate, QwenPutsItsSystemTextInFront) {
  const auto talk = std::span(kTalk).subspan(1, 1);
  EXPECT_EQ(rendered("qwen2", talk, false),
            "<|im_start|>system\nYou are a helpful "
            "assistant.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n");
  EXPECT_EQ(rendered("qwen2.5", talk, false),
            "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful "
            "assistant.<|im_end|>\n"
            "<|im_start|>user\nHi<|im_end|>\n");
  EXPECT_EQ(rendered("qwen2.5", kTalk), rendered("chatml", kTalk));
}

TEST(ChatTemplate, Qwen25ShowsToolResultsInOneUserTurn) {
  const std::vector<Message> talk = {
      {"system", "s", false}, {"tool", "1", false}, {"tool", "2", false}};
  EXPECT_EQ(rendered("qwen2.5", talk, false),
            "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\n<tool_response>\n1\n</"
            "tool_response>\n<tool_response>\n2\n"
            "</tool_response><|im_end|>\n");
}

TEST(ChatTemplate, Llama3Trims) {
  EXPECT_EQ(rendered("llama3", kTalk),
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe "
            "brief.<|eot_id|><|start_header_id|>user"
            "<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>"
            "\n\nHello!<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\n2+2?<|eot_id|><|start_header_id|>"
            "assistant<|end_header_id|>\n\n");
  const std::vector<Message> blank = {{"user", "\x1c\u3000\u00a0\n", false}};
  EXPECT_EQ(rendered("llama3", blank, false),
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n<|eot_id|>");
}

TEST(ChatTemplate, Llama31AlwaysHasASystemTurnWithDates) {
  const std::string start =
      "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: "
      "December 2023\n"
      "Today Date: 26 Jul 2024\n\n";
  EXPECT_TRUE(rendered("llama3.1", kTalk)
                  .starts_with(start + "Be brief.<|eot_id|><|start_header_id|>user"));
  EXPECT_TRUE(rendered("llama3.1", std::span(kTalk).subspan(1))
                  .starts_with(start + "<|eot_id|><|start_header_id|>user"));
}

TEST(ChatTemplate, LlamaRefusesToolResults) {
  const std::vector<Message> talk = {{"tool", "secret", false}};
  try {
    rendered("llama3.1", talk);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_EQ(error.code(), "D020");
    EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos);
  }
}

TEST(ChatTemplate, OnlyAssistantTextAndItsEndTokenTrain) {
  for (const ChatTemplate& one : ChatTemplate::all()) {
    std::string trained;
    for (const Span& span : one.render(kTalk, true))
      if (span.train) trained += span.text;
    EXPECT_EQ(trained, "Hello!" + std::string(one.end_of_turn)) << one.name;
  }
}

TEST(ChatTemplate, RepairsBrokenUtf8) {
  for (const char* text : {"\xFF", "a\xF0\x9F", "\xC3", "\xFF\xFF\xFF\xFF x"})
    for (const ChatTemplate& one : ChatTemplate::all()) {
      const std::vector<Message> talk = {{"user", text, false}};
      EXPECT_NE(one.render_text(talk, true).find("\uFFFD"), std::string::npos) << one.name;
    }
}

TEST(ChatTemplate, UnknownNameSuggestsTheNearest) {
  try {
    ChatTemplate::by_name("qwen2.6");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_EQ(error.code(), "R040");
    EXPECT_NE(std::string(error.what()).find("did you mean 'qwen2"), std::string::npos)
        << error.what();
  }
}

constexpr const char* kPlain =
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + "
    "'\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

std::string detected(const std::string& jinja) {
  TempFolder folder;
  folder.write("chat_template.jinja", jinja);
  try {
    return std::string(ChatTemplate::detect(folder.path()).name);
  } catch (const Error& error) {
    return error.code();
  }
}

TEST(ChatTemplateDetection, FindsTheTextInAllItsPlaces) {
  TempFolder folder;
  EXPECT_THROW(ChatTemplate::detect(folder.path()), FileFormatError);
  EXPECT_EQ(chat_template_text(folder.path()), "");
  folder.write("tokenizer_config.json", nlohmann::json{{"chat_template", kPlain}}.dump());
  EXPECT_EQ(ChatTemplate::detect(folder.path()).name, "chatml");
  nlohmann::json list = {{{"name", "tool_use"}, {"template", "x"}},
                         {{"name", "default"}, {"template", kPlain}}};
  folder.write("tokenizer_config.json", nlohmann::json{{"chat_template", list}}.dump());
  EXPECT_EQ(chat_template_text(folder.path()), kPlain);
  folder.write("chat_template.jinja", "verbatim ");
  EXPECT_EQ(chat_template_text(folder.path()), "verbatim ");
}

TEST(ChatTemplateDetection, RefusesTemplatesThatOnlyLookAlike) {
  EXPECT_EQ(detected(kPlain), "chatml");
  auto changed = [](std::string_view from, std::string_view to) {
    std::string text = kPlain;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  EXPECT_EQ(detected(changed("m['content']", "m['content'] | trim")), "F040");
  EXPECT_EQ(detected(changed("'<|im_end|>' + '\\n'", "'<|im_end|>'")), "F040");
  EXPECT_EQ(detected(changed("{% for", "{{ 'You are SmolLM.' }}{% for")), "F040");
  EXPECT_EQ(detected(changed("<|im_start|>' +", "<|im_start|>' + '<think>' +")), "F040");
  EXPECT_EQ(detected(changed("{% for", "You are a bot.\n{% for")), "F040");
  EXPECT_EQ(detected("{{ broken"), "F040");
}

TEST(JinjaFacts, DropsTheBlanksThatTransformersDrops) {
  EXPECT_EQ(JinjaFacts::read("{% if x %}\n  {{- 'a' }}\n  {% endif %}\nb {#- c 'd' #}\n").emitted,
            "a\nb");
  EXPECT_EQ(JinjaFacts::read("x {%- set y = \"it's %}\" -%}  z").emitted, "xit's %}z");
  EXPECT_EQ(JinjaFacts::read("{{ m['role'] + 'x' }}").emitted, "x");
  EXPECT_EQ(JinjaFacts::read("{% if a == 'b' %}").emitted, "");
  EXPECT_TRUE(JinjaFacts::read("{{ a|trim }}").uses("trim"));
  for (const char* text : {"{{", "{%", "{#", "{{ 'x", "{", "{{}}", "{%-%}"}) JinjaFacts::read(text);
}

}  // namespace
}  // namespace slmtune::data
