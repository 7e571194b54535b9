#include "data/tokenizer/sentencepiece_merges.h"

#include <algorithm>
#include <functional>
#include <unordered_map>

#include "data/tokenizer/unicode.h"

namespace slmtune::data {
namespace {

using Piece = SentencePieceModel::Piece;

constexpr size_t kMaxPieceBytes = 512;  // all ways to cut a piece are looked up

class MergeMaker {
 public:
  MergeMaker(std::span<const Piece> pieces, const TokenizerSource& source, TokenizerFile& file)
      : pieces_(pieces), source_(source), file_(file) {}
  void make();

 private:
  void cut_piece(int32_t id, uint32_t rank);
  int32_t symbol(std::string_view text);

  std::span<const Piece> pieces_;
  const TokenizerSource& source_;
  TokenizerFile& file_;
  std::unordered_map<std::string_view, int32_t> bare_;  // character → symbol
};

// The symbol that starts as or merges to `text`: a piece, or a single character that is none.
int32_t MergeMaker::symbol(std::string_view text) {
  const int32_t id = file_.pieces.find(text);
  if (id >= 0 && file_.is_in_model[static_cast<size_t>(id)]) return id;
  if (decode_utf8(text.data()).bytes != text.size()) return -1;
  const auto next = file_.pieces.size() + static_cast<int32_t>(bare_.size());
  const auto [entry, is_new] = bare_.emplace(text, next);
  if (is_new) file_.options.bare_characters.emplace_back(text);
  return entry->second;
}

void MergeMaker::cut_piece(int32_t id, uint32_t rank) {
  const Piece& piece = pieces_[static_cast<size_t>(id)];
  if (piece.text.size() > kMaxPieceBytes)
    source_.inconsistent("piece " + std::to_string(id) + " is longer than 512 bytes");
  for (size_t cut = decode_utf8(piece.text.data()).bytes; cut < piece.text.size();
       cut += decode_utf8(piece.text.data() + cut).bytes) {
    const int32_t left = symbol(piece.text.substr(0, cut)), right = symbol(piece.text.substr(cut));
    if (left < 0 || right < 0) continue;
    if (piece.type == TokenType::kUnused)
      source_.unsupported("piece " + std::to_string(id) + " is unused but merges make it");
    file_.merges.push_back({left, right, id, rank});
  }
}

void MergeMaker::make() {
  std::vector<float> scores;
  for (const Piece& piece : pieces_) scores.push_back(piece.score);
  std::sort(scores.begin(), scores.end(), std::greater<>());
  scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
  for (size_t id = 0; id < pieces_.size(); ++id) {
    const Piece& piece = pieces_[id];
    if (piece.type != TokenType::kNormal && piece.type != TokenType::kUnused) continue;
    const auto rank = std::lower_bound(scores.begin(), scores.end(), piece.score, std::greater<>());
    cut_piece(static_cast<int32_t>(id), static_cast<uint32_t>(rank - scores.begin()));
  }
  if (!bare_.empty() && file_.options.byte_tokens[0] < 0)
    source_.unsupported(
        "a piece has a character that is no piece, and there is no fallback to bytes");
}

}  // namespace

bool find_byte_tokens(std::span<const Piece> pieces, BytePairEncoder::Options& options) {
  ByteTokens tokens = no_byte_tokens();
  for (size_t id = 0; id < pieces.size(); ++id)
    if (pieces[id].type == TokenType::kByte)
      tokens[static_cast<size_t>(byte_of_piece(pieces[id].text))] = static_cast<int32_t>(id);
  if (std::find(tokens.begin(), tokens.end(), -1) != tokens.end()) return false;
  options.byte_tokens = tokens;
  return true;
}

void make_sentencepiece_merges(std::span<const Piece> pieces, const TokenizerSource& source,
                               TokenizerFile& file) {
  MergeMaker(pieces, source, file).make();
}

}  // namespace slmtune::data
