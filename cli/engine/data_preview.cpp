#include "cli/engine/data_preview.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "data/tokenizer/unicode.h"

namespace slmtune::cli {
namespace {

std::string printable(const std::string& text) {
  std::string safe;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    bool is_control = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
    // U+0080..U+009F: the 8-bit controls, some of which begin escape sequences.
    bool is_c1 = c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (is_c1) ++i;
    safe += is_control || is_c1 ? '?' : text[i];
  }
  return safe;
}

std::string set_apart(const std::string& text, bool color) {
  return (color ? "\x1b[1;32m" : "⟦") + text + (color ? "\x1b[0m" : "⟧");
}

}  // namespace

std::vector<Piece> pieces_of(const data::Tokens& tokens, const data::Tokenizer& tokenizer) {
  std::vector<Piece> pieces;
  for (size_t begin = 0; begin < tokens.ids.size();) {
    bool trained = tokens.labels[begin] != data::kNotTrained;
    size_t end = begin;
    while (end < tokens.ids.size() && (tokens.labels[end] != data::kNotTrained) == trained) ++end;
    std::vector<int32_t> ids(tokens.ids.begin() + static_cast<std::ptrdiff_t>(begin),
                             tokens.ids.begin() + static_cast<std::ptrdiff_t>(end));
    // Not decode(): SentencePiece drops a blank at the begin of a text, and a piece is not one.
    std::string bytes;
    for (int32_t id : ids) bytes += tokenizer.token_bytes(id);
    std::string text = data::replace_invalid_utf8(bytes);
    pieces.push_back({std::move(text), trained, std::move(ids)});
    begin = end;
  }
  return pieces;
}

std::vector<Piece> pieces_of(const data::Example& example) {
  std::vector<Piece> pieces;
  for (const std::string& tool : example.tools) pieces.push_back({"tool: " + tool + "\n", false});
  for (const data::Message& message : example.messages) {
    pieces.push_back({message.role + ": ", false});
    std::string text = message.text;
    for (const data::ToolCall& call : message.tool_calls)
      text += (text.empty() ? "call " : "\ncall ") + call.function;
    pieces.push_back({std::move(text), message.train});
    pieces.push_back({"\n", false});
  }
  for (const data::Span& span : example.spans) pieces.push_back({span.text, span.train});
  if (!example.ids.empty())
    pieces.push_back(
        {std::to_string(example.ids.size()) + " token ids; --model shows their text\n", false});
  return pieces;
}

std::string mark_name(data::RowMark mark) {
  switch (mark) {
    case data::RowMark::kChosen:
      return "chosen";
    case data::RowMark::kRejected:
      return "rejected";
    case data::RowMark::kGood:
      return "thumb up";
    case data::RowMark::kBad:
      return "thumb down";
    case data::RowMark::kNone:
      break;
  }
  return {};
}

std::string preview_text(const std::vector<Piece>& pieces, bool color) {
  std::string text;
  for (const Piece& piece : pieces)
    text += piece.is_trained ? set_apart(printable(piece.text), color) : printable(piece.text);
  if (text.empty() || text.back() != '\n') text += '\n';
  return text;
}

std::string ids_text(const std::vector<Piece>& pieces, bool color) {
  std::string text = "ids:";
  for (const Piece& piece : pieces) {
    std::string ids = fmt::format("{}", fmt::join(piece.ids, " "));
    text += " " + (piece.is_trained ? set_apart(ids, color) : ids);
  }
  return text + "\n";
}

std::optional<AnswerEnd> answer_end(const data::Tokens& tokens, const data::Tokenizer& tokenizer) {
  for (size_t i = tokens.labels.size(); i > 0; --i) {
    int32_t id = tokens.labels[i - 1];
    if (id == data::kNotTrained) continue;
    const std::vector<int32_t>& stops = tokenizer.stop_ids();
    return AnswerEnd{id, tokenizer.decode(std::vector{id}, false),
                     std::find(stops.begin(), stops.end(), id) != stops.end()};
  }
  return std::nullopt;
}

std::string end_text(const std::optional<AnswerEnd>& end) {
  if (!end) return "nothing is trained\n";
  return fmt::format("ends with {} (id {}), which {}\n", printable(end->text), end->id,
                     end->stops ? "stops an answer" : "does not stop an answer");
}

}  // namespace slmtune::cli
