// tekken.json, Mistral's own form of a byte-level tokenizer: special tokens first, then pieces by
// rank. As in tiktoken, the pair whose joined bytes have the lowest rank merges first
// (https://github.com/mistralai/mistral-common, tokens/tokenizers/tekken.py).
#include <algorithm>

#include "data/tokenizer/base64.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/json_reader.h"

namespace slmtune::data {
namespace {

constexpr int64_t kMaxPieces = 1 << 22;
constexpr size_t kMaxPieceBytes = 512;  // all ways to cut a piece are looked up

// Files up to version 7 do not list these.
constexpr std::string_view kEarlySpecials[] = {"<unk>",
                                               "<s>",
                                               "</s>",
                                               "[INST]",
                                               "[/INST]",
                                               "[AVAILABLE_TOOLS]",
                                               "[/AVAILABLE_TOOLS]",
                                               "[TOOL_RESULTS]",
                                               "[/TOOL_RESULTS]",
                                               "[TOOL_CALLS]",
                                               "[IMG]",
                                               "<pad>",
                                               "[IMG_BREAK]",
                                               "[IMG_END]",
                                               "[PREFIX]",
                                               "[MIDDLE]",
                                               "[SUFFIX]",
                                               "[SYSTEM_PROMPT]",
                                               "[/SYSTEM_PROMPT]",
                                               "[TOOL_CONTENT]"};

class TekkenFile : private JsonReader {
 public:
  explicit TekkenFile(const std::filesystem::path& path) : JsonReader(path) {}
  TokenizerFile read();

 private:
  void read_config(const Object& config);
  void read_specials(const Object& root);
  void add_special(int64_t id, std::string text, bool is_control);
  void read_pieces(const Object& root);
  void make_merges();
  void cut_piece(int32_t rank, std::vector<std::pair<int32_t, int32_t>>& halves);

  int64_t specials_ = 0, pieces_ = 0;
  std::vector<std::string> bytes_;  // by rank
  std::vector<std::string> texts_;  // the same in the byte alphabet
  Vocabulary ranks_{0};
  TokenizerFile file_;
};

void TekkenFile::read_config(const Object& config) {
  const std::optional<SplitRule> rule = split_rule_of(text(config, "pattern", ""));
  if (!rule) unsupported("the split regex is unknown");
  file_.split = *rule;
  specials_ = number(config, "default_num_special_tokens", 0);
  const int64_t size = number(config, "default_vocab_size", 0);
  if (specials_ < 3 || specials_ > kMaxPieces || size <= specials_ || size > kMaxPieces)
    inconsistent("the sizes of the vocabulary are out of range");
  pieces_ = size - specials_;
}

void TekkenFile::add_special(int64_t id, std::string text, bool is_control) {
  if (id < 0 || id >= specials_ || text.empty())
    inconsistent("special token " + std::to_string(id) + " is out of range or empty");
  file_.added.push_back({static_cast<int32_t>(id), std::move(text), is_control});
}

void TekkenFile::read_specials(const Object& root) {
  if (is_null(root, "special_tokens")) {
    for (size_t i = 0; i < std::size(kEarlySpecials); ++i)
      if (static_cast<int64_t>(i) < specials_)
        add_special(static_cast<int64_t>(i), std::string(kEarlySpecials[i]), true);
  } else {
    for (Element entry : list(root, "special_tokens")) {
      const Object token = object(entry, "a special token");
      add_special(number(token, "rank", -1), std::string(text(token, "token_str", "")),
                  flag(token, "is_control", true));
    }
  }
  for (auto id = static_cast<int64_t>(file_.added.size()); id < specials_; ++id)
    add_special(id, "<SPECIAL_" + std::to_string(id) + ">", true);
}

void TekkenFile::read_pieces(const Object& root) {
  const Array vocab = list(root, "vocab");
  if (pieces_ > static_cast<int64_t>(vocab.size()))
    inconsistent("the vocabulary has fewer pieces than its size");
  bytes_.resize(static_cast<size_t>(pieces_));
  for (Element entry : vocab) {
    const Object piece = object(entry, "a piece");
    const int64_t rank = number(piece, "rank", -1);
    if (rank < 0) inconsistent("a piece has no rank");
    if (rank >= pieces_) continue;  // the file has more than the model uses
    std::optional<std::string> bytes = from_base64(text(piece, "token_bytes", ""));
    if (!bytes) malformed("the bytes of piece " + std::to_string(rank) + " are no base64");
    if (bytes->size() > kMaxPieceBytes)
      inconsistent("piece " + std::to_string(rank) + " is longer than 512 bytes");
    bytes_[static_cast<size_t>(rank)] = std::move(*bytes);
  }
  std::vector<StoredPiece> vocabulary;
  texts_.reserve(bytes_.size());
  ranks_ = Vocabulary(static_cast<int32_t>(pieces_));
  for (size_t rank = 0; rank < bytes_.size(); ++rank) {
    ranks_.add(bytes_[rank], static_cast<int32_t>(rank));
    texts_.push_back(to_byte_alphabet(bytes_[rank]));
    vocabulary.push_back({texts_.back(), specials_ + static_cast<int64_t>(rank)});
  }
  place(vocabulary, file_);
}

void TekkenFile::cut_piece(int32_t rank, std::vector<std::pair<int32_t, int32_t>>& halves) {
  const std::string_view bytes = bytes_[static_cast<size_t>(rank)];
  halves.clear();
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    const int32_t left = ranks_.find(bytes.substr(0, cut)), right = ranks_.find(bytes.substr(cut));
    if (left >= 0 && right >= 0) halves.emplace_back(left, right);
  }
  std::sort(halves.begin(), halves.end());
}

void TekkenFile::make_merges() {
  const auto first = static_cast<int32_t>(specials_);
  std::vector<std::pair<int32_t, int32_t>> halves;
  for (int32_t rank = 0; rank < ranks_.size(); ++rank) {
    cut_piece(rank, halves);
    for (const auto& [left, right] : halves) {
      file_.merges.push_back(
          {first + left, first + right, first + rank, static_cast<uint32_t>(rank)});
      file_.merge_texts.push_back(texts_[static_cast<size_t>(left)] + ' ' +
                                  texts_[static_cast<size_t>(right)]);
    }
  }
}

TokenizerFile TekkenFile::read() {
  const Object root = parse();
  file_.path = path();
  read_config(member(root, "config"));
  read_specials(root);
  read_pieces(root);
  make_merges();
  file_.options.ignore_merges = true;
  file_.begin_token = file_.bos = "<s>";
  file_.eos = "</s>";
  file_.pad = "<pad>";
  return std::move(file_);
}

}  // namespace

TokenizerFile read_tekken_json(const std::filesystem::path& path) {
  return TekkenFile(path).read();
}

}  // namespace slmtune::data
