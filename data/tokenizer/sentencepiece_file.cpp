// tokenizer.model: a SentencePiece model of type BPE.
#include <cmath>
#include <fstream>

#include "core/json.h"
#include "core/text.h"
#include "data/tokenizer/sentencepiece_merges.h"
#include "data/tokenizer/sentencepiece_model.h"
#include "data/tokenizer/tokenizer_file.h"
#include "data/tokenizer/unicode.h"

namespace slmtune::data {
namespace {

constexpr uintmax_t kMaxBytes = uintmax_t{1} << 26;  // the largest published file has 5 MB
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
  std::string piece_text(int64_t id) const;

  std::string bytes_;
  SentencePieceModel model_;
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
  if (!find_byte_tokens(model_.pieces, file_.options))
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
  make_sentencepiece_merges(model_.pieces, *this, file_);
  return std::move(file_);
}

}  // namespace

TokenizerFile read_sentencepiece_model(const std::filesystem::path& path) {
  return SentencePieceFile(path).read();
}

}  // namespace slmtune::data
