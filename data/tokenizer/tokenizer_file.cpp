#include "data/tokenizer/tokenizer_file.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <unordered_set>

#include "core/error.h"
#include "core/json.h"

namespace slmtune::data {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr int64_t kMaxIds = 1 << 24;
constexpr int64_t kSparse = 1 << 16;  // ids without a piece that are fine in any vocabulary

class Reader {
 public:
  explicit Reader(const std::filesystem::path& folder)
      : folder_(folder), where_((folder / "tokenizer.json").string()) {}

  TokenizerFile read();

 private:
  struct Piece {
    std::string_view text;
    int64_t id;
  };

  [[noreturn]] void fail(const char* code, const std::string& what, const std::string& help) const {
    throw FileFormatError(code, where_, what, help);
  }
  [[noreturn]] void malformed(const std::string& what) const {
    fail("F030", what, "fetch the file again from the model's source");
  }
  [[noreturn]] void unsupported(const std::string& what) const {
    fail("F031", what, "slmtune reads byte-level BPE with the splits of GPT-2, Llama 3 and Qwen2");
  }
  [[noreturn]] void inconsistent(const std::string& what) const {
    fail("F032", what, "fetch the file again; the ids cannot be trusted as it is");
  }

  element parse();
  object member(const object& parent, const char* key) const;
  bool is_null(const object& parent, const char* key) const;
  std::string_view text(const object& parent, const char* key, std::string_view fallback) const;
  bool flag(const object& parent, const char* key, bool fallback) const;

  void read_vocabulary(const object& model);
  void read_added(const object& root);
  void read_added_of_config();
  void place_added();
  void read_merges(const object& model);
  void add_merge(std::string_view left, std::string_view right);
  void read_options(const object& model);
  void read_normalizer(const object& step);
  void read_splits(const object& step, bool& byte_level);
  void read_split(const object& step);
  void read_post_processor(const object& step);
  void check_decoder(const object& root) const;

  std::filesystem::path folder_;
  std::string where_;
  simdjson::dom::parser parser_;
  simdjson::padded_string bytes_;
  std::vector<Piece> vocabulary_;
  TokenizerFile file_;
};

element Reader::parse() {
  if (!std::filesystem::is_regular_file(where_)) {
    const bool sentencepiece = std::filesystem::exists(folder_ / "tokenizer.model");
    throw UserError(
        "N001", folder_.string(), "the model folder has no 'tokenizer.json'",
        sentencepiece
            ? "it has 'tokenizer.model'; save it once with transformers to get tokenizer.json"
            : "copy tokenizer.json of the model into the folder");
  }
  if (simdjson::padded_string::load(where_).get(bytes_)) malformed("the file cannot be read");
  element root;
  if (auto error = parser_.parse(bytes_).get(root))
    malformed(std::string("not valid JSON: ") + error_message(error));
  return root;
}

object Reader::member(const object& parent, const char* key) const {
  object result;
  if (parent[key].get_object().get(result))
    malformed(std::string("'") + key + "' is missing or not an object");
  return result;
}

bool Reader::is_null(const object& parent, const char* key) const {
  element value;
  return parent[key].get(value) || value.is_null();
}

std::string_view Reader::text(const object& parent, const char* key,
                              std::string_view fallback) const {
  if (is_null(parent, key)) return fallback;
  std::string_view result;
  if (parent[key].get_string().get(result)) malformed(std::string("'") + key + "' is not a text");
  return result;
}

bool Reader::flag(const object& parent, const char* key, bool fallback) const {
  if (is_null(parent, key)) return fallback;
  bool result = false;
  if (parent[key].get_bool().get(result))
    malformed(std::string("'") + key + "' is neither true nor false");
  return result;
}

TokenizerFile Reader::read() {
  const element document = parse();
  object root;
  if (document.get_object().get(root)) malformed("the file is not a JSON object");
  const object model = member(root, "model");
  if (const std::string_view type = text(model, "type", "BPE"); type != "BPE")
    unsupported("the tokenizer model is '" + std::string(type) + "'");
  read_vocabulary(model);
  read_added(root);
  read_added_of_config();
  place_added();
  read_options(model);
  read_merges(model);
  if (!is_null(root, "normalizer")) read_normalizer(member(root, "normalizer"));
  bool byte_level = false;
  if (!is_null(root, "pre_tokenizer")) read_splits(member(root, "pre_tokenizer"), byte_level);
  if (!byte_level) unsupported("the pre-tokenizer has no 'ByteLevel' step");
  if (!is_null(root, "post_processor")) read_post_processor(member(root, "post_processor"));
  check_decoder(root);
  return std::move(file_);
}

void Reader::read_vocabulary(const object& model) {
  for (auto [piece, value] : member(model, "vocab")) {
    int64_t id = 0;
    if (value.get_int64().get(id)) malformed("an id in the vocabulary is not a whole number");
    if (id < 0 || id >= kMaxIds) inconsistent("the vocabulary has id " + std::to_string(id));
    if (piece.empty()) inconsistent("the vocabulary has an empty piece");
    vocabulary_.push_back({piece, id});
  }
  if (vocabulary_.empty()) inconsistent("the vocabulary is empty");
}

void Reader::read_added(const object& root) {
  if (is_null(root, "added_tokens")) return;
  array tokens;
  if (root["added_tokens"].get_array().get(tokens)) malformed("'added_tokens' is not a list");
  for (element entry : tokens) {
    object token;
    int64_t id = 0;
    if (entry.get_object().get(token) || token["id"].get_int64().get(id))
      malformed("an added token has no id");
    if (id < 0 || id >= kMaxIds) inconsistent("an added token has id " + std::to_string(id));
    const bool special = flag(token, "special", false);
    file_.added.push_back({static_cast<int32_t>(id), std::string(text(token, "content", "")),
                           special, flag(token, "normalized", !special),
                           flag(token, "single_word", false), flag(token, "lstrip", false),
                           flag(token, "rstrip", false)});
  }
}

void Reader::read_added_of_config() {
  const std::filesystem::path path = folder_ / "tokenizer_config.json";
  if (!std::filesystem::exists(path)) return;
  const Json config = read_json(path);
  if (!config.is_object() || !config.contains("added_tokens_decoder")) return;
  const Json& decoder = config["added_tokens_decoder"];
  if (!decoder.is_object()) return;
  std::unordered_set<int32_t> known;
  for (const AddedToken& token : file_.added) known.insert(token.id);
  for (const auto& [key, value] : decoder.items()) {
    int32_t id = -1;
    const auto end = std::from_chars(key.data(), key.data() + key.size(), id).ptr;
    if (end != key.data() + key.size() || id < 0 || id >= kMaxIds || !value.is_object())
      throw FileFormatError("F030", path.string(), "'added_tokens_decoder' has a malformed entry",
                            "fetch the file again from the model's source");
    if (known.contains(id)) continue;
    auto flag_of = [&](const char* name) { return value.contains(name) && value[name] == true; };
    file_.added.push_back({id, json_text(value, "content", path.string()), flag_of("special"),
                           flag_of("normalized"), flag_of("single_word"), flag_of("lstrip"),
                           flag_of("rstrip")});
  }
}

// Puts vocabulary and added tokens into one table by id.
void Reader::place_added() {
  int64_t highest = 0;
  for (const Piece& piece : vocabulary_) highest = std::max(highest, piece.id);
  for (const AddedToken& token : file_.added) highest = std::max<int64_t>(highest, token.id);
  // Tables by id must not be far larger than the file.
  if (highest > kSparse + 16 * static_cast<int64_t>(vocabulary_.size() + file_.added.size()))
    inconsistent("id " + std::to_string(highest) + " is far above the number of pieces");
  file_.pieces = Vocabulary(static_cast<int32_t>(highest + 1));
  file_.is_in_model.assign(static_cast<size_t>(highest + 1), false);
  for (const Piece& piece : vocabulary_) {
    if (!file_.pieces.add(piece.text, static_cast<int32_t>(piece.id)))
      inconsistent("id " + std::to_string(piece.id) +
                   " or its piece stands twice in the vocabulary");
    file_.is_in_model[static_cast<size_t>(piece.id)] = true;
  }
  std::erase_if(file_.added, [](const AddedToken& token) { return token.text.empty(); });
  std::stable_sort(file_.added.begin(), file_.added.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  for (size_t i = 0; i < file_.added.size(); ++i) {
    const AddedToken& token = file_.added[i];
    const bool twice = i > 0 && file_.added[i - 1].id == token.id;
    if (twice ||
        (file_.pieces.find(token.text) != token.id && !file_.pieces.add(token.text, token.id)))
      inconsistent("added token " + std::to_string(token.id) + " clashes with another id or piece");
  }
}

void Reader::read_options(const object& model) {
  if (!text(model, "continuing_subword_prefix", "").empty() ||
      !text(model, "end_of_word_suffix", "").empty())
    unsupported("the model has a subword prefix or suffix");
  if (flag(model, "byte_fallback", false)) unsupported("the model has 'byte_fallback'");
  if (!is_null(model, "dropout")) {
    double dropout = 0;
    if (model["dropout"].get_double().get(dropout) || dropout != 0)
      unsupported("the model has 'dropout'");
  }
  file_.options.ignore_merges = flag(model, "ignore_merges", false);
  file_.options.fuse_unknown = flag(model, "fuse_unk", false);
  const std::string_view unknown = text(model, "unk_token", "");
  if (unknown.empty()) return;
  file_.options.unknown = file_.pieces.find(unknown);
  if (file_.options.unknown < 0) inconsistent("'unk_token' is not in the vocabulary");
}

void Reader::read_merges(const object& model) {
  array merges;
  if (model["merges"].get_array().get(merges)) malformed("'merges' is missing or not a list");
  for (element entry : merges) {
    std::string_view line, left, right;
    array pair;
    if (!entry.get_string().get(line)) {
      const size_t space = line.find(' ');
      if (space == std::string_view::npos) malformed("a merge is not two pieces");
      add_merge(line.substr(0, space), line.substr(space + 1));
    } else if (!entry.get_array().get(pair) && pair.size() == 2 &&
               !pair.at(0).get_string().get(left) && !pair.at(1).get_string().get(right)) {
      add_merge(left, right);
    } else {
      malformed("a merge is not two pieces");
    }
  }
}

void Reader::add_merge(std::string_view left, std::string_view right) {
  const std::string joined = std::string(left) + std::string(right);
  const Merge merge{file_.pieces.find(left), file_.pieces.find(right), file_.pieces.find(joined)};
  if (left.empty() || right.empty() || merge.left < 0 || merge.right < 0 || merge.result < 0)
    inconsistent("merge " + std::to_string(file_.merges.size()) +
                 " names a piece that the vocabulary does not have");
  file_.merges.push_back(merge);
  // GGUF and merges.txt part the pieces by a space, so one inside a piece takes its character of
  // the byte alphabet.
  auto append = [](std::string& text, std::string_view piece) {
    for (char c : piece) c == ' ' ? text += "\xC4\xA0" : text += c;
  };
  std::string& text = file_.merge_texts.emplace_back();
  append(text, left);
  text += ' ';
  append(text, right);
}

void Reader::read_normalizer(const object& step) {
  const std::string_view type = text(step, "type", "");
  if (type == "NFC") {
    file_.nfc = true;
    return;
  }
  array steps;
  if (type != "Sequence" || step["normalizers"].get_array().get(steps))
    unsupported("the normalizer is '" + std::string(type) + "'");
  for (element entry : steps) {
    object inner;
    if (entry.get_object().get(inner)) malformed("a normalizer is not an object");
    read_normalizer(inner);
  }
}

void Reader::read_splits(const object& step, bool& byte_level) {
  const std::string_view type = text(step, "type", "");
  if (byte_level) unsupported("the pre-tokenizer goes on after 'ByteLevel'");
  if (type == "Sequence") {
    array steps;
    if (step["pretokenizers"].get_array().get(steps)) malformed("'pretokenizers' is not a list");
    for (element entry : steps) {
      object inner;
      if (entry.get_object().get(inner)) malformed("a pre-tokenizer is not an object");
      read_splits(inner, byte_level);
    }
  } else if (type == "Split") {
    read_split(step);
  } else if (type == "ByteLevel") {
    byte_level = true;
    if (flag(step, "add_prefix_space", true)) unsupported("'ByteLevel' has 'add_prefix_space'");
    if (!flag(step, "use_regex", true)) return;
    if (file_.split != SplitRule::kWhole) unsupported("'ByteLevel' splits a second time");
    file_.split = SplitRule::kGpt2;
  } else {
    unsupported("the pre-tokenizer is '" + std::string(type) + "'");
  }
}

void Reader::read_split(const object& step) {
  if (file_.split != SplitRule::kWhole) unsupported("the pre-tokenizer splits twice");
  std::string_view regex;
  if (member(step, "pattern")["Regex"].get_string().get(regex)) unsupported("'Split' has no regex");
  const std::optional<SplitRule> rule = split_rule_of(regex);
  if (!rule) unsupported("the split regex is unknown");
  if (text(step, "behavior", "") != "Isolated" || flag(step, "invert", false))
    unsupported("'Split' has another behavior than 'Isolated'");
  file_.split = *rule;
}

void Reader::read_post_processor(const object& step) {
  const std::string_view type = text(step, "type", "");
  array steps;
  if (type == "Sequence" && !step["processors"].get_array().get(steps)) {
    for (element entry : steps) {
      object inner;
      if (entry.get_object().get(inner)) malformed("a post-processor is not an object");
      read_post_processor(inner);
    }
  } else if (type == "TemplateProcessing") {
    if (step["single"].get_array().get(steps))
      malformed("'single' of the post-processor is not a list");
    std::string_view id;
    if (steps.size() > 0 && !steps.at(0)["SpecialToken"]["id"].get_string().get(id))
      file_.begin_token = id;
  } else if (type != "ByteLevel") {
    unsupported("the post-processor is '" + std::string(type) + "'");
  }
}

void Reader::check_decoder(const object& root) const {
  if (is_null(root, "decoder")) return;
  const std::string_view type = text(member(root, "decoder"), "type", "");
  if (type != "ByteLevel") unsupported("the decoder is '" + std::string(type) + "'");
}

}  // namespace

TokenizerFile TokenizerFile::read(const std::filesystem::path& folder) {
  return Reader(folder).read();
}

}  // namespace slmtune::data
