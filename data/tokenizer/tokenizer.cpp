#include "data/tokenizer/tokenizer.h"

#include <atomic>
#include <unordered_map>

#include "core/error.h"
#include "core/text.h"
#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/special_ids.h"
#include "data/tokenizer/tokenizer_file.h"
#include "data/tokenizer/unicode.h"

namespace slmtune::data {
namespace {

// Bytes that BPE sees for each piece. A piece outside the byte alphabet can never match; it stands
// for its own text.
Vocabulary bytes_of(const TokenizerFile& file) {
  Vocabulary vocabulary(file.pieces.size());
  for (int32_t id = 0; id < file.pieces.size(); ++id) {
    if (!file.is_in_model[static_cast<size_t>(id)]) continue;
    const std::string_view piece = file.pieces.bytes(id);
    if (std::optional<std::string> bytes = from_byte_alphabet(piece)) vocabulary.add(*bytes, id);
  }
  return vocabulary;
}

// Where normalised text came from: the span that holds the byte at `begin` and what follows.
struct SpanStart {
  size_t begin;
  int32_t span;
};

}  // namespace

struct Tokenizer::Data {
  Data(TokenizerFile&& read, std::filesystem::path path)
      : folder(std::move(path)),
        file(std::move(read)),
        bytes(bytes_of(file)),
        encoder(bytes, file.merges, file.options),
        splitter(file.split) {
    for (size_t i = 0; i < file.added.size(); ++i) {
      const AddedToken& token = file.added[i];
      added_index.emplace(token.id, i);
      if (token.normalized)
        normalised_tokens.add(file.nfc ? to_nfc(token.text) : token.text, token);
      else
        raw_tokens.add(token.text, token);
    }
    has_normalised = std::any_of(file.added.begin(), file.added.end(),
                                 [](auto& token) { return token.normalized; });
    specials = SpecialIds::read(
        folder, [this](std::string_view text) { return id_of(text); },
        [this](int64_t id) {
          return id >= 0 && id < file.pieces.size() &&
                 file.pieces.contains(static_cast<int32_t>(id));
        });
    if (!file.begin_token.empty() && !specials.bos) specials.bos = id_of(file.begin_token);
  }

  std::optional<int32_t> id_of(std::string_view piece) const {
    const int32_t id = file.pieces.find(piece);
    return id >= 0 ? std::optional(id) : std::nullopt;
  }

  const AddedToken* added(int32_t id) const {
    auto found = added_index.find(id);
    return found == added_index.end() ? nullptr : &file.added[found->second];
  }

  void encode(std::string_view text, std::span<const SpanStart> starts, SpanEncoding& result) const;
  void encode_part(std::string_view text, std::span<const SpanStart> starts,
                   SpanEncoding& result) const;
  void encode_plain(std::string_view text, size_t offset, std::span<const SpanStart>& starts,
                    SpanEncoding& result) const;
  std::string normalise(std::string_view text, std::span<const SpanStart> from,
                        std::vector<SpanStart>& to) const;

  std::filesystem::path folder;
  TokenizerFile file;
  Vocabulary bytes;
  BytePairEncoder encoder;
  Splitter splitter;
  AddedTokenMatcher raw_tokens, normalised_tokens;
  bool has_normalised = false;
  std::unordered_map<int32_t, size_t> added_index;
  SpecialIds specials;
};

namespace {

// Moves `starts` on so that its first entry is the span of byte `at`; returns that span.
int32_t span_at(std::span<const SpanStart>& starts, size_t at) {
  while (starts.size() > 1 && starts[1].begin <= at) starts = starts.subspan(1);
  return starts.empty() ? 0 : starts[0].span;
}

}  // namespace

// `starts` is empty when nobody asks for spans.
void Tokenizer::Data::encode(std::string_view text, std::span<const SpanStart> starts,
                             SpanEncoding& result) const {
  std::vector<AddedTokenMatcher::Part> parts;
  raw_tokens.split(text, parts);
  std::vector<SpanStart> inside, normal;
  for (const AddedTokenMatcher::Part& part : parts) {
    const int32_t span = span_at(starts, part.token);
    if (part.id >= 0) {
      result.ids.push_back(part.id);
      if (!starts.empty()) result.span_of.push_back(span);
      continue;
    }
    inside.clear();
    for (const SpanStart& start : starts)
      if (start.begin < part.end)
        inside.push_back({std::max(start.begin, part.begin) - part.begin, start.span});
      else
        break;
    const std::string_view piece = text.substr(part.begin, part.end - part.begin);
    if (!file.nfc || is_nfc(piece)) {
      encode_part(piece, inside, result);
      continue;
    }
    normal.clear();
    const std::string normalised = normalise(piece, inside, normal);
    encode_part(normalised, normal, result);
  }
}

std::string Tokenizer::Data::normalise(std::string_view text, std::span<const SpanStart> from,
                                       std::vector<SpanStart>& to) const {
  if (from.empty()) return to_nfc(text);
  std::string result;
  for (size_t i = 0; i < from.size(); ++i) {
    const size_t end = i + 1 < from.size() ? from[i + 1].begin : text.size();
    to.push_back({result.size(), from[i].span});
    result += to_nfc(text.substr(from[i].begin, end - from[i].begin));
  }
  return result;
}

void Tokenizer::Data::encode_part(std::string_view text, std::span<const SpanStart> starts,
                                  SpanEncoding& result) const {
  if (!has_normalised) return encode_plain(text, 0, starts, result);
  std::vector<AddedTokenMatcher::Part> parts;
  normalised_tokens.split(text, parts);
  for (const AddedTokenMatcher::Part& part : parts) {
    if (part.id < 0) {
      encode_plain(text.substr(part.begin, part.end - part.begin), part.begin, starts, result);
      continue;
    }
    result.ids.push_back(part.id);
    if (!starts.empty()) result.span_of.push_back(span_at(starts, part.token));
  }
}

// `offset`: where `text` begins within the text that `starts` counts in.
void Tokenizer::Data::encode_plain(std::string_view text, size_t offset,
                                   std::span<const SpanStart>& starts, SpanEncoding& result) const {
  std::vector<EncodedPiece> tokens;
  for (size_t at = 0; at < text.size();) {
    const size_t end = splitter.end_of_piece(text, at);
    tokens.clear();
    encoder.encode(text.substr(at, end - at), tokens);
    for (const EncodedPiece& token : tokens) {
      result.ids.push_back(token.id);
      if (!starts.empty()) result.span_of.push_back(span_at(starts, offset + at + token.begin));
    }
    at = end;
  }
}

Tokenizer::Tokenizer(std::unique_ptr<Data> data) : data_(std::move(data)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::load(const std::filesystem::path& folder) {
  return Tokenizer(std::make_unique<Data>(TokenizerFile::read(folder), folder));
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
  std::string bytes;
  for (int32_t id : ids)
    if (!skip_special || !is_special(id)) bytes += token_bytes(id);
  return is_utf8(bytes) ? bytes : replace_invalid_utf8(bytes);
}

std::string Tokenizer::token_bytes(int32_t id) const {
  if (const AddedToken* token = data_->added(id)) return token->text;
  return std::string(data_->bytes.contains(id) ? data_->bytes.bytes(id)
                                               : data_->file.pieces.bytes(id));
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
  return !data_->file.begin_token.empty();
}
const std::vector<int32_t>& Tokenizer::stop_ids() const {
  return data_->specials.stop;
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
  switch (data_->file.split) {
    case SplitRule::kQwen2:
      return "qwen2";
    case SplitRule::kCl100k:
      // The converter's table calls this split "dbrx" when merges always decide.
      return data_->file.options.ignore_merges ? "llama-bpe" : "dbrx";
    case SplitRule::kGpt2:
    case SplitRule::kWhole:
      break;
  }
  return "gpt-2";
}

const std::filesystem::path& Tokenizer::folder() const {
  return data_->folder;
}

}  // namespace slmtune::data
