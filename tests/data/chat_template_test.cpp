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

// Code of the refusal, whose text must not hold the row's; "" if it renders.
std::string refused(std::string_view name, const Conversation& conversation) {
  try {
    ChatTemplate::by_name(name).render(conversation, false);
    return {};
  } catch (const UserError& error) {
    EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos);
    return error.code();
  }
}

TEST(ChatTemplate, RefusesRolesThatItCannotPrint) {
  const std::vector<Message> result = {{"user", "secret", false}, {"tool", "secret", false}};
  const std::vector<Message> system = {{"system", "secret", false}, {"user", "x", false}};
  for (const char* name : {"llama3", "gemma2", "mistral-v1", "mistral-v7", "phi3", "phi4"})
    EXPECT_EQ(refused(name, result), "D020") << name;
  for (const char* name : {"gemma2", "mistral-v0.1", "mistral-v0.2"})
    EXPECT_EQ(refused(name, system), "D020") << name;
}

const std::vector<std::string> kTools = {R"({"type": "function", "function": {"name": "f"}})"};
const ToolCall kCall{"call00001", "f", "{}", R"({"name": "f", "arguments": {}})"};

TEST(ChatTemplate, RefusesToolsThatItCannotPrint) {
  const std::vector<Message> talk = {{"user", "secret", false}};
  const std::vector<Message> call = {talk[0], {"assistant", "", true, {kCall}}};
  const std::vector<Message> own = {{"system", "secret", false, {}, "", "secret"}, talk[0]};
  for (const ChatTemplate& one : ChatTemplate::all()) {
    EXPECT_EQ(refused(one.name, {talk, kTools}), one.takes.tools ? "" : "D022") << one.name;
    EXPECT_EQ(refused(one.name, call), one.takes.tool_calls ? "" : "D022") << one.name;
    if (!one.takes.system) continue;
    EXPECT_EQ(refused(one.name, own), one.name == "phi4-mini" ? "" : "D022") << one.name;
  }
}

TEST(ChatTemplate, RefusesOrdersThatItCannotPrint) {
  const Message user{"user", "secret", false}, answer{"assistant", "secret", true};
  const std::vector<Message> twice = {user, user}, reversed = {answer, user};
  for (const char* name : {"gemma2", "mistral-v0.1", "mistral-v0.2", "mistral-v1", "mistral-v3",
                           "mistral-v3-tekken"}) {
    EXPECT_EQ(refused(name, twice), "D023") << name;
    EXPECT_EQ(refused(name, reversed), "D023") << name;
  }
  EXPECT_EQ(refused("llama3.1", {reversed, kTools}), "D023");
}

TEST(ChatTemplate, RefusesCallsThatItCannotPrint) {
  ToolCall short_id = kCall;
  short_id.id = "secret";
  const Message user{"user", "secret", false};
  const std::vector<Message> two = {user, {"assistant", "", true, {kCall, kCall}}};
  const std::vector<Message> id = {user, {"assistant", "", true, {short_id}}};
  const std::vector<Message> result = {user, {"tool", "secret", false}};
  EXPECT_EQ(refused("llama3.2", two), "D024");
  EXPECT_EQ(refused("mistral-v3", two), "");
  EXPECT_EQ(refused("mistral-v3", id), "D024");
  EXPECT_EQ(refused("mistral-v3", result), "D024");
}

std::string trained(const ChatTemplate& chat, const Conversation& conversation) {
  std::string text;
  for (const Span& span : chat.render(conversation, false))
    if (span.train) text += span.text;
  return text;
}

TEST(ChatTemplate, OnlyAssistantTextAndItsEndTokenTrain) {
  std::vector<Message> talk(kTalk.begin() + 1, kTalk.end());
  talk.push_back({"assistant", "4", false});
  talk.push_back({"user", "?", false});
  talk.push_back({"assistant", "5", true});
  for (const ChatTemplate& one : ChatTemplate::all()) {
    const std::string end(one.end_of_turn);
    std::string seen = trained(one, talk);
    std::erase(seen, ' ');  // Mistral's answers begin with one
    EXPECT_EQ(seen, "Hello!" + end + "5" + end) << one.name;
  }
}

TEST(ChatTemplate, CallsTrainAndResultsDoNot) {
  const std::vector<Message> talk = {{"user", "u", false},
                                     {"assistant", "", true, {kCall}},
                                     {"tool", "result", false, {}, "call00001"},
                                     {"assistant", "", false, {kCall}},
                                     {"tool", "result", false, {}, "call00001"},
                                     {"assistant", "done", true}};
  EXPECT_EQ(trained(ChatTemplate::by_name("qwen2.5"), talk),
            "<tool_call>\n{\"name\": \"f\", \"arguments\": "
            "{}}\n</tool_call><|im_end|>done<|im_end|>");
  EXPECT_EQ(trained(ChatTemplate::by_name("llama3.1"), talk),
            "{\"name\": \"f\", \"parameters\": {}}<|eot_id|>done<|eot_id|>");
  EXPECT_EQ(
      trained(ChatTemplate::by_name("mistral-v3"), talk),
      "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}, \"id\": \"call00001\"}]</s> done</s>");
}

TEST(ChatTemplate, Llama32PrintsAFixedDate) {
  EXPECT_EQ(rendered("llama3.2", kTalk), rendered("llama3.1", kTalk));
}

TEST(ChatTemplate, MistralsVersionsDifferInBlanksAndSystemText) {
  const auto talk = std::span(kTalk).subspan(1);
  EXPECT_EQ(rendered("mistral-v0.1", talk), "<s>[INST] Hi [/INST]Hello!</s> [INST]  2+2?  [/INST]");
  EXPECT_EQ(rendered("mistral-v0.2", talk), "<s>[INST] Hi [/INST]Hello!</s>[INST]  2+2?  [/INST]");
  EXPECT_EQ(rendered("mistral-v1", kTalk),
            "<s> [INST] Be brief.\n\nHi [/INST] Hello!</s> [INST]  2+2?  [/INST]");
  EXPECT_EQ(rendered("mistral-v3", kTalk),
            "<s>[INST] Hi[/INST] Hello!</s>[INST] Be brief.\n\n 2+2? [/INST]");
  EXPECT_EQ(rendered("mistral-v3-tekken", kTalk),
            "<s>[INST]Hi[/INST]Hello!</s>[INST]Be brief.\n\n 2+2? [/INST]");
  EXPECT_EQ(rendered("mistral-v7", kTalk),
            "<s>[SYSTEM_PROMPT] Be brief.[/SYSTEM_PROMPT][INST] Hi[/INST] Hello!</s>[INST]  2+2? "
            "[/INST]");
}

TEST(ChatTemplate, PhisEndWithoutAnAnswerInEndOfText) {
  const auto talk = std::span(kTalk).subspan(0, 2);
  EXPECT_EQ(rendered("phi3", talk, false),
            "<|system|>\nBe brief.<|end|>\n<|user|>\nHi<|end|>\n<|endoftext|>");
  EXPECT_EQ(rendered("phi4-mini", talk, false),
            "<|system|>Be brief.<|end|><|user|>Hi<|end|><|endoftext|>");
  EXPECT_EQ(rendered("phi4", talk),
            "<|im_start|>system<|im_sep|>Be brief.<|im_end|><|im_start|>user<|im_sep|>Hi<|im_end|>"
            "<|im_start|>assistant<|im_sep|>");
  const std::vector<Message> empty = {{"system", "", false}, {"user", "Hi", false}};
  EXPECT_EQ(rendered("phi3.5", empty), "<|user|>\nHi<|end|>\n<|assistant|>\n");
  EXPECT_EQ(rendered("phi3", empty), "<|system|>\n<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\n");
}

TEST(ChatTemplate, GemmaCallsTheAssistantModel) {
  EXPECT_EQ(rendered("gemma2", std::span(kTalk).subspan(1)),
            "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHello!<end_of_turn>\n"
            "<start_of_turn>user\n2+2?<end_of_turn>\n<start_of_turn>model\n");
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
  EXPECT_EQ(JinjaFacts::read("{{ raise_exception('no') }}x").emitted, "x");
  for (const char* text : {"{{", "{%", "{#", "{{ 'x", "{", "{{}}", "{%-%}"}) JinjaFacts::read(text);
}

}  // namespace
}  // namespace slmtune::data
