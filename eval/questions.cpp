// Rows of a file → questions with a reference answer.
#include <optional>
#include <utility>

#include "core/error.h"
#include "data/row_place.h"
#include "eval/evaluate.h"

namespace slmtune::eval {
namespace {

// A conversation is asked up to its last assistant turn.
std::optional<Question> chat_question(const data::Example& example, const std::string& place,
                                      const data::Tokenizer& tokenizer,
                                      const data::ChatTemplate* chat) {
  const std::vector<data::Message>& messages = example.messages;
  size_t last = messages.size();
  while (last > 0 && messages[last - 1].role != "assistant") --last;
  if (last < 2 || messages[last - 1].text.empty()) return std::nullopt;
  if (!chat)
    throw UserError("D021", place, "the row is a conversation, but the model has no chat template",
                    "name one with model.template, or use rows with 'prompt' and 'completion'");
  const std::span<const data::Message> before(messages.data(), last - 1);
  std::vector<int32_t> ids = data::at_place(place, [&] {
    return data::prompt_ids({before, example.tools}, tokenizer, *chat);
  });
  return Question{std::move(ids), messages[last - 1].text, place};
}

// A completion is asked with all text before its trained end; plain text has no question in it.
std::optional<Question> text_question(const data::Example& example, const std::string& place,
                                      const data::Tokenizer& tokenizer) {
  const std::vector<data::Span>& spans = example.spans;
  if (spans.size() < 2 || !spans.back().train || spans.back().text.empty()) return std::nullopt;
  std::string prompt;
  for (size_t i = 0; i + 1 < spans.size(); ++i) prompt += spans[i].text;
  std::vector<int32_t> ids = data::plain_ids(prompt, tokenizer);
  if (ids.empty()) return std::nullopt;
  return Question{std::move(ids), spans.back().text, place};
}

}  // namespace

std::vector<Question> questions(const std::filesystem::path& path, const std::string& format,
                                const data::Tokenizer& tokenizer, const data::ChatTemplate* chat,
                                const std::set<std::string>* places) {
  std::vector<Question> result;
  data::for_each_example(path, format, [&](data::Example& example, const std::string& place) {
    if (places && !places->contains(place)) return;
    if (example.mark == data::RowMark::kBad) return;  // no answer to learn
    std::optional<Question> question;
    if (example.kind == data::Example::Kind::kChat)
      question = chat_question(example, place, tokenizer, chat);
    else if (example.kind == data::Example::Kind::kText)
      question = text_question(example, place, tokenizer);
    if (question) result.push_back(std::move(*question));
  });
  return result;
}

}  // namespace slmtune::eval
