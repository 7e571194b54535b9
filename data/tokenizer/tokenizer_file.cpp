#include "data/tokenizer/tokenizer_file.h"

#include <algorithm>
#include <charconv>
#include <unordered_set>

#include "core/error.h"
#include "core/json.h"

namespace slmtune::data {
namespace {

constexpr int64_t kMaxIds = 1 << 24;
constexpr int64_t kSparse = 1 << 16;  // ids without a piece that are fine in any vocabulary

constexpr std::string_view kFileNames[] = {"tokenizer.json",
                                           "tokenizer_config.json",
                                           "special_tokens_map.json",
                                           "added_tokens.json",
                                           "vocab.json",
                                           "merges.txt",
                                           "tokenizer.model",
                                           "tekken.json",
                                           "chat_template.jinja",
                                           "chat_template.json"};

}  // namespace

std::span<const std::string_view> tokenizer_file_names() {
  return kFileNames;
}

void TokenizerSource::malformed(const std::string& what) const {
  throw FileFormatError("F030", where_, what, "fetch the file again from the model's source");
}

void TokenizerSource::unsupported(const std::string& what) const {
  throw FileFormatError("F031", where_, what,
                        "slmtune reads SentencePiece BPE, and byte-level BPE with the splits of "
                        "GPT-2, Llama 3, Qwen2, GPT-4o and Tekken");
}

void TokenizerSource::inconsistent(const std::string& what) const {
  throw FileFormatError("F032", where_, what,
                        "fetch the file again; the ids cannot be trusted as it is");
}

int32_t TokenizerSource::checked_id(int64_t id, const char* what) const {
  if (id < 0 || id >= kMaxIds) inconsistent(std::string(what) + " has id " + std::to_string(id));
  return static_cast<int32_t>(id);
}

void TokenizerSource::place(const std::vector<StoredPiece>& vocabulary, TokenizerFile& file) const {
  add_tokens_of_config(file);
  place_alone(vocabulary, file);
}

void TokenizerSource::place_alone(const std::vector<StoredPiece>& vocabulary,
                                  TokenizerFile& file) const {
  if (vocabulary.empty()) inconsistent("the vocabulary is empty");
  int64_t highest = 0;
  for (const StoredPiece& piece : vocabulary) {
    if (piece.text.empty()) inconsistent("the vocabulary has an empty piece");
    highest = std::max<int64_t>(highest, checked_id(piece.id, "the vocabulary"));
  }
  for (const AddedToken& token : file.added) highest = std::max<int64_t>(highest, token.id);
  // Tables by id must not be far larger than the file.
  if (highest > kSparse + 16 * static_cast<int64_t>(vocabulary.size() + file.added.size()))
    inconsistent("id " + std::to_string(highest) + " is far above the number of pieces");
  file.pieces = Vocabulary(static_cast<int32_t>(highest + 1));
  file.is_in_model.assign(static_cast<size_t>(highest + 1), false);
  for (const StoredPiece& piece : vocabulary) {
    if (!file.pieces.add(piece.text, static_cast<int32_t>(piece.id)))
      inconsistent("id " + std::to_string(piece.id) +
                   " or its piece stands twice in the vocabulary");
    file.is_in_model[static_cast<size_t>(piece.id)] = true;
  }
  place_added(file);
}

void TokenizerSource::place_added(TokenizerFile& file) const {
  std::erase_if(file.added, [](const AddedToken& token) { return token.text.empty(); });
  std::stable_sort(file.added.begin(), file.added.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  for (size_t i = 0; i < file.added.size(); ++i) {
    const AddedToken& token = file.added[i];
    const bool twice = i > 0 && file.added[i - 1].id == token.id;
    if (twice ||
        (file.pieces.find(token.text) != token.id && !file.pieces.add(token.text, token.id)))
      inconsistent("added token " + std::to_string(token.id) + " clashes with another id or piece");
  }
}

void TokenizerSource::add_tokens_of_config(TokenizerFile& file) const {
  const std::filesystem::path path = path_.parent_path() / "tokenizer_config.json";
  if (!std::filesystem::exists(path)) return;
  const Json config = read_json(path);
  if (!config.is_object() || !config.contains("added_tokens_decoder")) return;
  const Json& decoder = config["added_tokens_decoder"];
  if (!decoder.is_object()) return;
  std::unordered_set<int32_t> known;
  for (const AddedToken& token : file.added) known.insert(token.id);
  for (const auto& [key, value] : decoder.items()) {
    int32_t id = -1;
    const auto end = std::from_chars(key.data(), key.data() + key.size(), id).ptr;
    if (end != key.data() + key.size() || id < 0 || id >= kMaxIds || !value.is_object())
      throw FileFormatError("F030", path.string(), "'added_tokens_decoder' has a malformed entry",
                            "fetch the file again from the model's source");
    if (known.contains(id)) continue;
    auto flag_of = [&token = value](const char* name) {
      return token.contains(name) && token[name] == true;
    };
    file.added.push_back({id, json_text(value, "content", path.string()), flag_of("special"),
                          flag_of("normalized"), flag_of("single_word"), flag_of("lstrip"),
                          flag_of("rstrip")});
  }
}

int byte_of_piece(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  int byte = -1;
  const auto [end, error] = std::from_chars(piece.data() + 3, piece.data() + 5, byte, 16);
  return error == std::errc() && end == piece.data() + 5 && byte >= 0 ? byte : -1;
}

namespace {

struct Format {
  const char* name;
  TokenizerFile (*read)(const std::filesystem::path& path);
};
constexpr Format kFormats[] = {{"tokenizer.json", read_tokenizer_json},
                               {"tokenizer.model", read_sentencepiece_model},
                               {"tekken.json", read_tekken_json}};

const Format* format_in(const std::filesystem::path& folder) {
  for (const Format& format : kFormats)
    if (std::filesystem::is_regular_file(folder / format.name)) return &format;
  return nullptr;
}

}  // namespace

std::optional<std::filesystem::path> Tokenizer::find_file(const std::filesystem::path& folder) {
  const Format* format = format_in(folder);
  return format ? std::optional(folder / format->name) : std::nullopt;
}

TokenizerFile TokenizerFile::read(const std::filesystem::path& folder) {
  if (const Format* format = format_in(folder)) return format->read(folder / format->name);
  throw UserError("N001", folder.string(), "the model folder has no 'tokenizer.json'",
                  "copy tokenizer.json of the model into the folder; tokenizer.model or "
                  "tekken.json will do as well");
}

}  // namespace slmtune::data
