// tokenizer.model: a SentencePiece model of type BPE becomes merges with ranks. SentencePiece joins
// the two neighbours whose joined text is the piece with the highest score, so every way to cut a
// piece into two is a merge with the rank of its score
// (https://github.com/google/sentencepiece, src/bpe_model.cc).
#include <algorithm>
#include <cmath>
#include <fstream>
#include <unordered_map>

#include "core/json.h"
#include "core/text.h"
#include "data/tokenizer/sentencepiece_model.h"
#include "data/tokenizer/tokenizer_file.h"
#include "data/tokenizer/unicode.h"

namespace slmtune::data {
namespace {

constexpr uintmax_t kMaxBytes = uintmax_t{1} << 26;  // the largest published file has 5 MB
constexpr size_t kMaxPieceBytes = 512;               // all ways to cut a piece are looked up
constexpr const char* kTypeNames[] = {"of an unknown type", "Unigram", "BPE", "Word", "Char"};

class SentencePieceFile : private TokenizerSource {
 public:
  explicit SentencePieceFile(const std::filesystem::path& path) : TokenizerSource(path) {}
  TokenizerFile read();

 private:
  void load();
  void check_model() const;
  void check_pieces() const;
  void place_pieces();
  void read_byte_tokens();
  void read_config();
  void make_merges();
  void cut_piece(int32_t id, uint32_t rank);
  int32_t symbol(std::string_view text);
  std::string piece_text(int64_t id) const;

  std::string bytes_;
  SentencePieceModel model_;
  std::unordered_map<std::string_view, int32_t> bare_;  // character → symbol
  TokenizerFile file_;
};

void SentencePieceFile::load() {
  std::error_code failed;
  const uintmax_t size = std::filesystem::file_size(path(), failed);
  if (failed || size > kMaxBytes) malformed("the file cannot be read");
  bytes_.resize(static_cast<size_t>(size));
  std::ifstream stream(path(), std::ios::binary);
  if (!stream.read(bytes_.data(), static_cast<std::streamsize>(size)))
    malformed("the file cannot be read");
  std::optional<SentencePieceModel> model = SentencePieceModel::parse(bytes_);
  if (!model) {
    if (bytes_.starts_with("IQ== 0\n")) unsupported("tokenizer.model is a list of tiktoken ranks");
    malformed("the file is not a SentencePiece model");
  }
  model_ = std::move(*model);
}

void SentencePieceFile::check_model() const {
  if (model_.model_type != SentencePieceModel::kBpe) {
    const bool known = model_.model_type >= 1 && model_.model_type <= 4;
    unsupported(std::string("the SentencePiece model is ") +
                kTypeNames[known ? model_.model_type : 0] + ", not BPE");
  }
  if (model_.has_character_map)
    unsupported("the normalization rule '" + shown(model_.normalizer_name) +
                "' maps characters, and only 'identity' is supported");
  if (model_.space_as_suffix) unsupported("the model has 'treat_whitespace_as_suffix'");
  if (!model_.escape_whitespaces) unsupported("the model does not have 'escape_whitespaces'");
}

void SentencePieceFile::check_pieces() const {
  size_t unknown = 0;
  for (size_t id = 0; id < model_.pieces.size(); ++id) {
    const SentencePieceModel::Piece& piece = model_.pieces[id];
    const std::string name = "piece " + std::to_string(id);
    if (!is_utf8(piece.text)) malformed(name + " is not UTF-8");
    if (piece.text.size() > kMaxPieceBytes) inconsistent(name + " is longer than 512 bytes");
    if (!std::isfinite(piece.score)) inconsistent(name + " has a score that is no number");
    if (piece.type == TokenType::kByte && byte_of_piece(piece.text) < 0)
      inconsistent(name + " is to stand for a byte but does not name one");
    if (piece.type == TokenType::kUserDefined && model_.remove_extra_whitespaces &&
        piece.text.find(' ') != std::string_view::npos)
      unsupported("a user-defined piece has a blank and extra blanks are to be removed");
    unknown += piece.type == TokenType::kUnknown;
  }
  if (unknown != 1)
    inconsistent("the vocabulary has " + std::to_string(unknown) + " unknown pieces, not one");
}

void SentencePieceFile::place_pieces() {
  std::vector<StoredPiece> vocabulary;
  for (size_t id = 0; id < model_.pieces.size(); ++id) {
    const SentencePieceModel::Piece& piece = model_.pieces[id];
    vocabulary.push_back({piece.text, static_cast<int64_t>(id)});
    if (piece.type == TokenType::kControl || piece.type == TokenType::kUserDefined)
      file_.added.push_back({checked_id(static_cast<int64_t>(id), "a piece"),
                             std::string(piece.text), piece.type == TokenType::kControl,
                             piece.type == TokenType::kUserDefined});
  }
  place(vocabulary, file_);
  const auto size = static_cast<size_t>(file_.pieces.size());
  file_.scores.assign(size, 0);
  file_.types.assign(size, TokenType::kUnused);
  for (const AddedToken& token : file_.added)
    file_.types[static_cast<size_t>(token.id)] =
        token.special ? TokenType::kControl : TokenType::kUserDefined;
  for (size_t id = 0; id < model_.pieces.size(); ++id) {
    const SentencePieceModel::Piece& piece = model_.pieces[id];
    file_.scores[id] = piece.score;
    file_.types[id] = piece.type;
    file_.is_in_model[id] = piece.type == TokenType::kNormal;
    if (piece.type == TokenType::kUnknown) file_.options.unknown = static_cast<int32_t>(id);
  }
}

void SentencePieceFile::read_byte_tokens() {
  if (!model_.byte_fallback) return;
  ByteTokens& tokens = file_.options.byte_tokens;
  for (size_t id = 0; id < model_.pieces.size(); ++id)
    if (model_.pieces[id].type == TokenType::kByte)
      tokens[static_cast<size_t>(byte_of_piece(model_.pieces[id].text))] = static_cast<int32_t>(id);
  if (std::find(tokens.begin(), tokens.end(), -1) != tokens.end())
    inconsistent("the model falls back to bytes but not all 256 have a piece");
}

// The text of a control piece, "" when there is none.
std::string SentencePieceFile::piece_text(int64_t id) const {
  if (id < 0 || id >= static_cast<int64_t>(model_.pieces.size())) return {};
  return std::string(model_.pieces[static_cast<size_t>(id)].text);
}

// What LlamaTokenizer's options change. Without them each stretch of text between special tokens is
// a text of its own for SentencePiece, and BOS goes in front.
void SentencePieceFile::read_config() {
  file_.bos = file_.begin_token = piece_text(model_.bos_id);
  file_.eos = piece_text(model_.eos_id);
  file_.pad = piece_text(model_.pad_id);
  const std::filesystem::path path = this->path().parent_path() / "tokenizer_config.json";
  if (!std::filesystem::exists(path)) return;
  const Json config = read_json(path);
  if (!config.is_object()) return;
  auto is_false = [&](const char* key) { return config.contains(key) && config[key] == false; };
  file_.rules.prefix_only_first = is_false("legacy");
  if (is_false("add_prefix_space")) {
    file_.rules.prefix.clear();
    file_.decoding.strip = 0;
  }
}

// The symbol that starts as or merges to `text`: a piece, or a single character that is none.
int32_t SentencePieceFile::symbol(std::string_view text) {
  const int32_t id = file_.pieces.find(text);
  if (id >= 0 && file_.is_in_model[static_cast<size_t>(id)]) return id;
  if (decode_utf8(text.data()).bytes != text.size()) return -1;
  const auto next = file_.pieces.size() + static_cast<int32_t>(bare_.size());
  const auto [entry, is_new] = bare_.emplace(text, next);
  if (is_new) file_.options.bare_characters.emplace_back(text);
  return entry->second;
}

void SentencePieceFile::cut_piece(int32_t id, uint32_t rank) {
  const std::string_view text = model_.pieces[static_cast<size_t>(id)].text;
  for (size_t cut = decode_utf8(text.data()).bytes; cut < text.size();
       cut += decode_utf8(text.data() + cut).bytes) {
    const int32_t left = symbol(text.substr(0, cut)), right = symbol(text.substr(cut));
    if (left < 0 || right < 0) continue;
    if (model_.pieces[static_cast<size_t>(id)].type == TokenType::kUnused)
      unsupported("piece " + std::to_string(id) + " is unused but merges make it");
    file_.merges.push_back({left, right, id, rank});
  }
}

void SentencePieceFile::make_merges() {
  std::vector<float> scores;
  for (const SentencePieceModel::Piece& piece : model_.pieces) scores.push_back(piece.score);
  std::sort(scores.begin(), scores.end(), std::greater<>());
  scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
  for (size_t id = 0; id < model_.pieces.size(); ++id) {
    const SentencePieceModel::Piece& piece = model_.pieces[id];
    if (piece.type != TokenType::kNormal && piece.type != TokenType::kUnused) continue;
    const auto rank = std::lower_bound(scores.begin(), scores.end(), piece.score, std::greater<>());
    cut_piece(static_cast<int32_t>(id), static_cast<uint32_t>(rank - scores.begin()));
  }
  if (!bare_.empty() && !model_.byte_fallback)
    unsupported("a piece has a character that is no piece, and there is no fallback to bytes");
}

TokenizerFile SentencePieceFile::read() {
  load();
  check_model();
  check_pieces();
  file_.path = path();
  file_.kind = TokenizerKind::kSentencePiece;
  file_.added_as_stored = true;
  place_pieces();
  file_.options.characters = file_.options.fuse_unknown = true;
  read_byte_tokens();
  file_.rules.mark_spaces = true;
  file_.rules.squeeze_spaces = model_.remove_extra_whitespaces;
  if (model_.add_dummy_prefix) file_.rules.prefix = kSpaceMark;
  file_.decoding.kind = DecodeRules::Kind::kSentencePiece;
  file_.decoding.strip = model_.add_dummy_prefix || model_.remove_extra_whitespaces ? 1 : 0;
  file_.decoding.strip_every = model_.remove_extra_whitespaces;
  file_.decoding.unknown = replace_invalid_utf8(model_.unknown_surface);
  read_config();
  make_merges();
  return std::move(file_);
}

}  // namespace

TokenizerFile read_sentencepiece_model(const std::filesystem::path& path) {
  return SentencePieceFile(path).read();
}

}  // namespace slmtune::data
