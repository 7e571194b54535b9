#include "cli/data_preview.h"

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

}  // namespace

std::vector<Piece> pieces_of(const data::Tokens& tokens, const data::Tokenizer& tokenizer) {
  std::vector<Piece> pieces;
  for (size_t begin = 0; begin < tokens.ids.size();) {
    bool trained = tokens.labels[begin] != data::kNotTrained;
    size_t end = begin;
    while (end < tokens.ids.size() && (tokens.labels[end] != data::kNotTrained) == trained) ++end;
    std::vector<int32_t> ids(tokens.ids.begin() + static_cast<std::ptrdiff_t>(begin),
                             tokens.ids.begin() + static_cast<std::ptrdiff_t>(end));
    pieces.push_back({tokenizer.decode(ids, false), trained});
    begin = end;
  }
  return pieces;
}

std::vector<Piece> pieces_of(const data::Example& example) {
  std::vector<Piece> pieces;
  for (const data::Message& message : example.messages) {
    pieces.push_back({message.role + ": ", false});
    pieces.push_back({message.text, message.train});
    pieces.push_back({"\n", false});
  }
  for (const data::Span& span : example.spans) pieces.push_back({span.text, span.train});
  if (!example.ids.empty())
    pieces.push_back(
        {std::to_string(example.ids.size()) + " token ids; --model shows their text\n", false});
  return pieces;
}

std::string preview_text(const std::vector<Piece>& pieces, bool color) {
  std::string text;
  for (const Piece& piece : pieces) {
    if (piece.is_trained) text += color ? "\x1b[1;32m" : "⟦";
    text += printable(piece.text);
    if (piece.is_trained) text += color ? "\x1b[0m" : "⟧";
  }
  if (text.empty() || text.back() != '\n') text += '\n';
  return text;
}

}  // namespace slmtune::cli
