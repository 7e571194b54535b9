// Mistral's templates without tools, which differ in their blanks: the first texts of 7B v0.1 and
// v0.2, the later text of both (v1, with a system text), and v7 (with a system turn).
#include "data/chat/mistral.h"
#include "data/chat/families.h"
#include "data/chat/jinja_facts.h"

namespace slmtune::data {
namespace {

constexpr std::string_view kV01 = "mistral-v0.1", kV02 = "mistral-v0.2", kV1 = "mistral-v1",
                           kV7 = "mistral-v7";

// `gap` stands between an answer and the next question.
std::vector<Span> render_first(const Conversation& conversation, std::string_view name,
                               const char* gap) {
  std::vector<Span> spans{{kMistralBegin, false}};
  bool users_turn = true;
  for (const Message& message : conversation.messages) {
    if ((message.role == "user") != users_turn) refuse_order(name);
    users_turn = !users_turn;
    if (message.role == "user") {
      spans.push_back({"[INST] " + message.text + " [/INST]", false});
    } else {
      spans.push_back({message.text + kMistralEnd, message.train});
      spans.push_back({gap, false});
    }
  }
  return spans;
}

std::vector<Span> render_v0_1(const Conversation& conversation, bool) {
  return render_first(conversation, kV01, " ");
}

std::vector<Span> render_v0_2(const Conversation& conversation, bool) {
  return render_first(conversation, kV02, "");
}

// The blank in front of an answer is part of its first token, so it trains with it.
Span answer(const Message& message) {
  return {" " + message.text + kMistralEnd, message.train};
}

std::vector<Span> render_v1(const Conversation& conversation, bool) {
  std::span<const Message> messages = conversation.messages;
  const bool has_system = !messages.empty() && messages[0].role == "system";
  std::string system(take_system(messages));
  if (has_system) system += "\n\n";
  std::vector<Span> spans{{kMistralBegin, false}};
  for (size_t i = 0; i < messages.size(); ++i) {
    const bool user = messages[i].role == "user";
    if (user != (i % 2 == 0) || messages[i].role == "system") refuse_order(kV1);
    if (user)
      spans.push_back({" [INST] " + (i == 0 ? system : "") + messages[i].text + " [/INST]", false});
    else
      spans.push_back(answer(messages[i]));
  }
  return spans;
}

// Takes any order.
std::vector<Span> render_v7(const Conversation& conversation, bool) {
  std::vector<Span> spans{{kMistralBegin, false}};
  for (const Message& message : conversation.messages) {
    if (message.role == "user")
      spans.push_back({"[INST] " + message.text + "[/INST]", false});
    else if (message.role == "system")
      spans.push_back({"[SYSTEM_PROMPT] " + message.text + "[/SYSTEM_PROMPT]", false});
    else
      spans.push_back(answer(message));
  }
  return spans;
}

// Prints exactly `emitted` between the texts, and changes none of them.
bool prints(std::string_view jinja, std::string_view emitted) {
  const JinjaFacts facts = JinjaFacts::read(jinja);
  for (const char* word : {"trim", "strip", "replace", "split", "title", "upper", "lower", "last"})
    if (facts.uses(word)) return false;
  return facts.emitted == emitted && facts.uses("bos_token") && facts.uses("eos_token");
}

bool recognise_v0_1(std::string_view jinja) {
  return prints(jinja, "[INST]  [/INST] ");
}

bool recognise_v0_2(std::string_view jinja) {
  return prints(jinja, "[INST]  [/INST]");
}

bool recognise_v1(std::string_view jinja) {
  return prints(jinja, " [INST] \n\n [/INST] [INST]  [/INST] ");
}

bool recognise_v7(std::string_view jinja) {
  return prints(jinja, "[INST] [/INST][SYSTEM_PROMPT] [/SYSTEM_PROMPT] ");
}

constexpr std::string_view kOllamaV01 =
    "{{ range .Messages }}{{ if eq .Role \"user\" }}[INST] {{ .Content }} [/INST]"
    "{{ else if eq .Role \"assistant\" }}{{ .Content }}</s> {{ end }}{{ end }}";
constexpr std::string_view kOllamaV02 =
    "{{ range .Messages }}{{ if eq .Role \"user\" }}[INST] {{ .Content }} [/INST]"
    "{{ else if eq .Role \"assistant\" }}{{ .Content }}</s>{{ end }}{{ end }}";
constexpr std::string_view kOllamaV1 =
    "{{ $system := .System }}{{ range .Messages }}{{ if eq .Role \"user\" }} [INST] "
    "{{ if $system }}{{ $system }}\n\n{{ $system = \"\" }}{{ end }}{{ .Content }} [/INST]"
    "{{ else if eq .Role \"assistant\" }} {{ .Content }}</s>{{ end }}{{ end }}";
constexpr std::string_view kOllamaV7 =
    "{{ range .Messages }}{{ if eq .Role \"system\" }}[SYSTEM_PROMPT] {{ .Content }}"
    "[/SYSTEM_PROMPT]{{ else if eq .Role \"user\" }}[INST] {{ .Content }}[/INST]"
    "{{ else if eq .Role \"assistant\" }} {{ .Content }}</s>{{ end }}{{ end }}";

}  // namespace

ChatTemplate mistral_v0_1_template() {
  return {kV01, kMistralEnd, {.system = false}, kOllamaV01, render_v0_1, recognise_v0_1};
}

ChatTemplate mistral_v0_2_template() {
  return {kV02, kMistralEnd, {.system = false}, kOllamaV02, render_v0_2, recognise_v0_2};
}

ChatTemplate mistral_v1_template() {
  return {kV1, kMistralEnd, {}, kOllamaV1, render_v1, recognise_v1};
}

ChatTemplate mistral_v7_template() {
  return {kV7, kMistralEnd, {}, kOllamaV7, render_v7, recognise_v7};
}

}  // namespace slmtune::data
