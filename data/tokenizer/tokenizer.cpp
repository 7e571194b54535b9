#include "data/tokenizer/tokenizer.h"

#include "core/text.h"
#include "data/tokenizer/tokenizer_data.h"
#include "data/tokenizer/unicode.h"

namespace slmtune::data {

Tokenizer::Tokenizer(std::unique_ptr<Data> data) : data_(std::move(data)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::load(const std::filesystem::path& folder) {
  return Tokenizer(std::make_unique<Data>(TokenizerFile::read(folder), folder));
}

Tokenizer Tokenizer::from_gguf(const GgufVocabulary& stored) {
  return Tokenizer(std::make_unique<Data>(read_gguf_vocabulary(stored), stored.path));
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  SpanEncoding result;
  result.ids.reserve(text.size() / 3 + 1);
  if (is_utf8(text))
    data_->encode(text, {}, result);
  else
    data_->encode(replace_invalid_utf8(text), {}, result);
  return std::move(result.ids);
}

Tokenizer::SpanEncoding Tokenizer::encode_spans(std::span<const std::string_view> spans) const {
  std::string text;
  std::vector<SpanStart> starts;
  for (size_t i = 0; i < spans.size(); ++i) {
    if (spans[i].empty()) continue;
    starts.push_back({text.size(), static_cast<int32_t>(i)});
    if (is_utf8(spans[i]))
      text += spans[i];
    else
      text += replace_invalid_utf8(spans[i]);
  }
  SpanEncoding result;
  data_->encode(text, starts, result);
  return result;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  StreamDecoder decoder(*this, skip_special);
  std::string text;
  for (int32_t id : ids) text += decoder.push(id);
  return text += decoder.finish();
}

std::string Tokenizer::token_bytes(int32_t id) const {
  return data_->text_of(id);
}

int32_t Tokenizer::size() const {
  return data_->file.pieces.size();
}

std::optional<int32_t> Tokenizer::id_of(std::string_view piece) const {
  return data_->id_of(piece);
}

bool Tokenizer::is_special(int32_t id) const {
  const AddedToken* token = data_->added(id);
  return token && token->special;
}

std::optional<int32_t> Tokenizer::bos() const {
  return data_->specials.bos;
}
std::optional<int32_t> Tokenizer::eos() const {
  return data_->specials.eos;
}
std::optional<int32_t> Tokenizer::pad() const {
  return data_->specials.pad;
}
bool Tokenizer::adds_bos() const {
  return data_->adds_bos;
}
const std::vector<int32_t>& Tokenizer::stop_ids() const {
  return data_->specials.stop;
}

TokenizerKind Tokenizer::kind() const {
  return data_->file.kind;
}

std::string Tokenizer::pieces_name(int32_t id) const {
  return std::string(data_->file.pieces.bytes(id));
}

const std::vector<AddedToken>& Tokenizer::added_tokens() const {
  return data_->file.added;
}
const std::vector<std::string>& Tokenizer::merges() const {
  return data_->file.merge_texts;
}

std::string Tokenizer::ggml_pre() const {
  if (data_->file.kind != TokenizerKind::kByteLevel) return {};
  const GgmlPre* same_split = nullptr;
  for (const GgmlPre& pre : ggml_pres()) {
    if (pre.split != data_->file.split) continue;
    if (pre.ignore_merges == data_->file.options.ignore_merges) return std::string(pre.name);
    if (same_split == nullptr) same_split = &pre;
  }
  return same_split != nullptr ? std::string(same_split->name) : "";
}

const std::filesystem::path& Tokenizer::folder() const {
  return data_->folder;
}
const std::filesystem::path& Tokenizer::file() const {
  return data_->file.path;
}

float Tokenizer::score(int32_t id) const {
  const auto& scores = data_->file.scores;
  return id >= 0 && static_cast<size_t>(id) < scores.size() ? scores[static_cast<size_t>(id)] : 0;
}

TokenType Tokenizer::type(int32_t id) const {
  const auto& types = data_->file.types;
  return id >= 0 && static_cast<size_t>(id) < types.size() ? types[static_cast<size_t>(id)]
                                                           : TokenType::kUnused;
}

bool Tokenizer::prefixes_space() const {
  using Metaspace = TextRules::Metaspace;
  const TextRules& rules = data_->file.rules;
  return !rules.prefix.empty() || rules.metaspace == Metaspace::kFirst ||
         rules.metaspace == Metaspace::kAlways;
}

}  // namespace slmtune::data
