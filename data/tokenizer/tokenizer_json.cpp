#include "data/tokenizer/tokenizer_json.h"

#include "core/error.h"
#include "core/text.h"

namespace slmtune::data {

TokenizerFile TokenizerJson::read() {
  const Object root = parse();
  file_.path = path();
  const Object model = member(root, "model");
  if (const std::string_view type = text(model, "type", "BPE"); type != "BPE")
    unsupported("the tokenizer model is '" + shown(type) + "'");
  file_.kind = TokenizerKind::kSentencePiece;  // until a ByteLevel step says otherwise
  if (!is_null(root, "normalizer")) read_normalizer(member(root, "normalizer"));
  if (!is_null(root, "pre_tokenizer")) read_pre_tokenizer(member(root, "pre_tokenizer"));
  if (!is_null(root, "decoder")) read_decoder(member(root, "decoder"));
  if (!is_null(root, "post_processor")) read_post_processor(member(root, "post_processor"));
  read_added(root);
  read_vocabulary(model);
  read_options(model);
  check_kind();
  read_merges(model);
  if (file_.kind == TokenizerKind::kSentencePiece) rate_pieces();
  return std::move(file_);
}

void TokenizerJson::read_vocabulary(const Object& model) {
  std::vector<StoredPiece> vocabulary;
  for (auto [piece, value] : member(model, "vocab")) {
    int64_t id = 0;
    if (value.get_int64().get(id)) malformed("an id in the vocabulary is not a whole number");
    vocabulary.push_back({piece, id});
  }
  place(vocabulary, file_);
}

void TokenizerJson::read_added(const Object& root) {
  if (is_null(root, "added_tokens")) return;
  for (Element entry : list(root, "added_tokens")) {
    const Object token = object(entry, "an added token");
    if (is_null(token, "id")) malformed("an added token has no id");
    const int32_t id = checked_id(number(token, "id", 0), "an added token");
    const bool special = flag(token, "special", false);
    file_.added.push_back({id, std::string(text(token, "content", "")), special,
                           flag(token, "normalized", !special), flag(token, "single_word", false),
                           flag(token, "lstrip", false), flag(token, "rstrip", false)});
  }
}

void TokenizerJson::read_options(const Object& model) {
  if (!text(model, "continuing_subword_prefix", "").empty() ||
      !text(model, "end_of_word_suffix", "").empty())
    unsupported("the model has a subword prefix or suffix");
  if (!is_null(model, "dropout")) {
    double dropout = 0;
    if (model["dropout"].get_double().get(dropout) || dropout != 0)
      unsupported("the model has 'dropout'");
  }
  byte_fallback_ = flag(model, "byte_fallback", false);
  file_.options.ignore_merges = flag(model, "ignore_merges", false);
  file_.options.fuse_unknown = flag(model, "fuse_unk", false);
  file_.options.characters = file_.kind == TokenizerKind::kSentencePiece;
  if (byte_fallback_) read_byte_tokens();
  const std::string_view unknown = text(model, "unk_token", "");
  if (unknown.empty()) return;
  file_.options.unknown = file_.pieces.find(unknown);
  if (file_.options.unknown < 0) inconsistent("'unk_token' is not in the vocabulary");
}

void TokenizerJson::read_byte_tokens() {
  constexpr char kDigits[] = "0123456789ABCDEF";
  for (size_t byte = 0; byte < 256; ++byte) {
    const char piece[] = {'<', '0', 'x', kDigits[byte / 16], kDigits[byte % 16], '>'};
    file_.options.byte_tokens[byte] = file_.pieces.find({piece, sizeof piece});
  }
}

void TokenizerJson::read_merges(const Object& model) {
  for (Element entry : list(model, "merges")) {
    std::string_view line, left, right;
    Array pair;
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

void TokenizerJson::add_merge(std::string_view left, std::string_view right) {
  const std::string joined = std::string(left) + std::string(right);
  const Merge merge{file_.pieces.find(left), file_.pieces.find(right), file_.pieces.find(joined),
                    static_cast<uint32_t>(file_.merges.size())};
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

void TokenizerJson::read_post_processor(const Object& step) {
  const std::string_view type = text(step, "type", "");
  if (type == "Sequence") {
    for_each_step(step, "processors", &TokenizerJson::read_post_processor);
  } else if (type == "TemplateProcessing") {
    const Array single = list(step, "single");
    std::string_view id;
    if (single.size() > 0 && !single.at(0)["SpecialToken"]["id"].get_string().get(id))
      file_.begin_token = id;
  } else if (type != "ByteLevel") {
    unsupported("the post-processor is '" + shown(type) + "'");
  }
}

// A SentencePiece vocabulary has scores where tokenizer.json has an order of merges, and kinds of
// pieces where it has added tokens.
void TokenizerJson::rate_pieces() {
  const auto size = static_cast<size_t>(file_.pieces.size());
  file_.scores.assign(size, kNeverMerged);
  file_.types.assign(size, TokenType::kUnused);
  for (size_t i = file_.merges.size(); i-- > 0;)
    file_.scores[static_cast<size_t>(file_.merges[i].result)] = -static_cast<float>(i);
  for (size_t id = 0; id < size; ++id)
    if (file_.is_in_model[id]) file_.types[id] = TokenType::kNormal;
  for (int32_t id : file_.options.byte_tokens)
    if (id >= 0) file_.types[static_cast<size_t>(id)] = TokenType::kByte;
  for (const AddedToken& token : file_.added)
    file_.types[static_cast<size_t>(token.id)] =
        token.special ? TokenType::kControl : TokenType::kUserDefined;
  if (file_.options.unknown >= 0)
    file_.types[static_cast<size_t>(file_.options.unknown)] = TokenType::kUnknown;
}

TokenizerFile read_tokenizer_json(const std::filesystem::path& path) {
  return TokenizerJson(path).read();
}

}  // namespace slmtune::data
