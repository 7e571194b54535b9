#include "ops/deploy/probe.h"

#include <fmt/format.h>

#include <array>

#include "core/error.h"

namespace slmtune::ops {
namespace {

// What tokenisers differ on: capitals, digits, runs of blanks, line ends, marks, accents, other
// scripts, emoji, code. Composed characters only: llama.cpp does not normalise.
constexpr std::array<std::string_view, 25> kTexts = {
    "What are your opening hours?",
    "Hello!",
    "How much is 12345 + 67890?",
    "My order no. 4711-A has not arrived; it is 3 days late.",
    "Please answer in one short sentence: why is the sky blue?",
    "Wie lange dauert die Lieferung nach Österreich, und was kostet sie?",
    "¿Dónde puedo cambiar mi contraseña?",
    "Où se trouve la gare ? C'est l'été, déjà.",
    "Zażółć gęślą jaźń.",
    "Сколько стоит доставка?",
    "请问几点关门？",
    "返品はできますか。",
    "배송은 얼마나 걸리나요?",
    "متى تفتحون؟",
    "I don't think it's we'll've been there, they'd said.",
    "Line one\nLine two\n\nLine four",
    "Tabs\there, and   three blanks,  two at the end of this  sentence.",
    "for (int i = 0; i < 10; ++i) { sum += a[i] * 2; }  // code",
    "def f(x):\n    return {'a': x, \"b\": [1, 2.5, -3e10]}",
    "E-mail: someone@example.org, https://example.org/a/b?c=d&e=f#g",
    "100% of €5.00 is $5.43; 2^10 = 1024 & 7 != 8",
    "👍🏽 thanks 🎉🎉 … “quoted” – and — dashes",
    "ALL CAPITALS AND CamelCaseWords with_underscores and hy-phens",
    "1\n2\n3",
    "antidisestablishmentarianism floccinaucinihilipilification",
};

std::string text_of(int index) {
  return std::string(kTexts[static_cast<size_t>(index) % kTexts.size()]);
}

// Four shapes over the same texts: a question; with a system text; after an answered question; two
// texts in one.
std::vector<data::Message> conversation(int index, const data::ChatTemplate& chat) {
  const std::string text = text_of(index), other = text_of(index + 7);
  switch (index / static_cast<int>(kTexts.size()) % 4) {
    case 0:
      return {{"user", text}};
    case 1:
      if (!chat.takes.system) return {{"user", other + " " + text}};
      return {{"system", other}, {"user", text}};
    case 2:
      return {{"user", other}, {"assistant", text_of(index + 3)}, {"user", text}};
    default:
      return {{"user", text + "\n\n" + other}};
  }
}

}  // namespace

Probe make_probe(const data::Tokenizer& tokenizer, const data::ChatTemplate* chat, int count) {
  Probe probe;
  probe.is_chat = chat != nullptr;
  for (int i = 0; i < count; ++i) {
    ProbePrompt prompt;
    if (chat != nullptr) {
      prompt.messages = conversation(i, *chat);
      prompt.ids = data::prompt_ids(prompt.messages, tokenizer, *chat);
    } else {
      prompt.text =
          i < static_cast<int>(kTexts.size()) ? text_of(i) : text_of(i) + " " + text_of(i + i / 25);
      prompt.ids = data::plain_ids(prompt.text, tokenizer);
    }
    probe.prompts.push_back(std::move(prompt));
  }
  return probe;
}

Json messages_json(const std::vector<data::Message>& messages) {
  Json json = Json::array();
  for (const data::Message& message : messages)
    json.push_back({{"role", message.role}, {"content", message.text}});
  return json;
}

void check_probe(const ProbeResult& result, const std::string& where) {
  if (result.was_asked && result.prompts == 0)
    throw UserError(
        "V002", where,
        "the server tells of no probe chat how many tokens it has, so nothing shows that "
        "it reads them as in training",
        "the model that served before goes on; try another version of the server");
  if (result.equal == result.prompts) return;
  throw UserError(
      "V002", where,
      fmt::format("{} of {} probe chats become other tokens than in training{}",
                  result.prompts - result.equal, result.prompts,
                  result.by_count ? ", as their numbers show" : ""),
      "the model that served before goes on; check that the server uses the chat template of the "
      "GGUF file (no --chat-template, no own TEMPLATE) and that 'model.template' of the recipe is "
      "the base model's");
}

}  // namespace slmtune::ops
