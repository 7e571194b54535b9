// Rows as the model sees them, with what is trained set apart: in colour on a terminal, else within
// ⟦ ⟧. The one place where text of the user's rows is printed, because it was asked for.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/chat/chat_template.h"
#include "data/example.h"
#include "data/tokenizer/tokenizer.h"

namespace slmtune::cli {

struct Piece {
  std::string text;
  bool is_trained = false;
  std::vector<int32_t> ids = {};  // none without a tokenizer
};

// Neighbouring tokens of one kind, decoded together; special tokens are shown.
std::vector<Piece> pieces_of(const data::Tokens& tokens, const data::Tokenizer& tokenizer);

// Without a tokenizer: roles and texts, tools and calls as the row has them.
std::vector<Piece> pieces_of(const data::Example& example);

// "chosen", "rejected", "thumb up", "thumb down"; "" for a row that was not rated.
std::string mark_name(data::RowMark mark);

// Control characters of the rows become '?', so that no row can command the terminal.
std::string preview_text(const std::vector<Piece>& pieces, bool color);

// "ids: 1 1734 ⟦52 2⟧ 198"
std::string ids_text(const std::vector<Piece>& pieces, bool color);

// The last token that a row trains: a model that does not learn to end its answers never stops.
struct AnswerEnd {
  int32_t id = 0;
  std::string text;
  bool stops = false;  // the model's files name it as an end of generation
};
std::optional<AnswerEnd> answer_end(const data::Tokens& tokens, const data::Tokenizer& tokenizer);

// "ends with <|im_end|> (id 2), which stops an answer"
std::string end_text(const std::optional<AnswerEnd>& end);

}  // namespace slmtune::cli
