// What llama.cpp makes of text (src/llama-vocab.cpp) beside what this tokenizer does.
#include <algorithm>

#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/tokenizer_data.h"

namespace slmtune::data {
namespace {

using Metaspace = TextRules::Metaspace;

// A piece that goes on behind a blank. Where text is cut in front of every blank, merges never make
// it; llama.cpp would.
bool has_piece_across_blanks(const TokenizerFile& file) {
  for (int32_t id = 0; id < file.pieces.size(); ++id) {
    const std::string_view piece = file.pieces.bytes(id);
    if (file.is_in_model[static_cast<size_t>(id)] && piece.size() > kSpaceMark.size() &&
        piece.find(kSpaceMark, 1) != std::string_view::npos)
      return true;
  }
  return false;
}

std::string sentencepiece_obstacle(const TokenizerFile& file) {
  const ByteTokens& bytes = file.options.byte_tokens;
  if (std::find(bytes.begin(), bytes.end(), -1) != bytes.end())
    return "not every byte has a token, which llama.cpp needs for unknown characters";
  if (!file.rules.mark_spaces && file.rules.metaspace == Metaspace::kNone)
    return "the tokenizer does not write blanks as '\u2581', and llama.cpp does";
  if (file.rules.squeeze_spaces)
    return "the tokenizer takes extra blanks away, and llama.cpp does not";
  if (file.options.ignore_merges)
    return "the tokenizer looks words up whole, and llama.cpp only merges pieces";
  if (file.cuts_before_space && has_piece_across_blanks(file))
    return "the tokenizer cuts text at every blank, and llama.cpp does not";
  return {};
}

}  // namespace

std::string Tokenizer::ggml_obstacle() const {
  if (kind() == TokenizerKind::kSentencePiece) return sentencepiece_obstacle(data_->file);
  return ggml_pre().empty() ? "llama.cpp has no name for the tokenizer's split" : "";
}

bool Tokenizer::ggml_adds_space(bool in_chats) const {
  const TextRules& rules = data_->file.rules;
  const bool only_first = rules.prefix_only_first || rules.metaspace == Metaspace::kFirst;
  return prefixes_space() && !(only_first && in_chats);
}

}  // namespace slmtune::data
