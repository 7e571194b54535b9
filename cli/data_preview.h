// Rows as the model sees them, with what is trained set apart: in colour on a terminal, else within
// ⟦ ⟧. The one place where text of the user's rows is printed, because it was asked for.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/chat/chat_template.h"
#include "data/example.h"
#include "data/tokenizer/tokenizer.h"

namespace slmtune::cli {

struct Piece {
  std::string text;
  bool is_trained = false;
};

// Neighbouring tokens of one kind, decoded together; special tokens are shown.
std::vector<Piece> pieces_of(const data::Tokens& tokens, const data::Tokenizer& tokenizer);

// Without a tokenizer: roles and texts.
std::vector<Piece> pieces_of(const data::Example& example);

// Control characters of the rows become '?', so that no row can command the terminal.
std::string preview_text(const std::vector<Piece>& pieces, bool color);

}  // namespace slmtune::cli
