#include "data/tokenizer/tokenizer_data.h"

#include <algorithm>

#include "core/text.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/unicode.h"

namespace slmtune::data {
namespace {

// What BPE sees of each piece that it may make: bytes, or the text itself. A piece outside the byte
// alphabet can never match; it stands for its own text.
Vocabulary bytes_of(const TokenizerFile& file) {
  Vocabulary vocabulary(file.pieces.size());
  for (int32_t id = 0; id < file.pieces.size(); ++id) {
    if (!file.is_in_model[static_cast<size_t>(id)]) continue;
    const std::string_view piece = file.pieces.bytes(id);
    if (file.kind == TokenizerKind::kSentencePiece)
      vocabulary.add(piece, id);
    else if (std::optional<std::string> bytes = from_byte_alphabet(piece))
      vocabulary.add(*bytes, id);
  }
  return vocabulary;
}

// Cuts are safe when every character is a symbol of its own text or falls back to bytes that take
// no part in merges: an unknown token could fuse with its neighbour, and a piece that is looked up
// whole must stay whole.
SafeCuts cuts_of(const TokenizerFile& file) {
  const BytePairEncoder::Options& options = file.options;
  std::vector<bool> stands_for_itself(static_cast<size_t>(file.pieces.size()), true);
  bool safe = options.characters && !options.ignore_merges;
  for (int32_t id : options.byte_tokens) {
    safe &= id >= 0;
    if (id >= 0) stands_for_itself[static_cast<size_t>(id)] = false;
  }
  for (const Merge& merge : file.merges)
    for (int32_t id : {merge.left, merge.right})
      if (id < file.pieces.size()) safe &= stands_for_itself[static_cast<size_t>(id)];
  if (!safe) return SafeCuts(file.cuts_before_space);
  return SafeCuts(file.pieces, file.merges, file.cuts_before_space);
}

// Moves `starts` on so that its first entry is the span of byte `at`; returns that span.
int32_t span_at(std::span<const SpanStart>& starts, size_t at) {
  while (starts.size() > 1 && starts[1].begin <= at) starts = starts.subspan(1);
  return starts.empty() ? 0 : starts[0].span;
}

// The starts of text[begin, end), counted from `begin`.
void starts_within(std::span<const SpanStart> starts, size_t begin, size_t end,
                   std::vector<SpanStart>& inside) {
  inside.clear();
  for (const SpanStart& start : starts) {
    if (start.begin >= end) break;
    const SpanStart moved{std::max(start.begin, begin) - begin, start.span};
    if (!inside.empty() && inside.back().begin == moved.begin)
      inside.back() = moved;
    else
      inside.push_back(moved);
  }
}

}  // namespace

// Where a text lies: its spans, where it begins in what they count in, and whether it begins the
// whole.
struct Tokenizer::Data::Place {
  std::span<const SpanStart> starts;
  size_t offset = 0;
  bool is_first = false;
};

Tokenizer::Data::Data(TokenizerFile&& read, std::filesystem::path path)
    : folder(std::move(path)),
      file(std::move(read)),
      bytes_(bytes_of(file)),
      encoder_(bytes_, file.merges, file.options),
      splitter_(file.split),
      cuts_(cuts_of(file)) {
  add_patterns();
  read_special_ids();
}

void Tokenizer::Data::add_patterns() {
  for (size_t i = 0; i < file.added.size(); ++i) {
    const AddedToken& token = file.added[i];
    added_index_.emplace(token.id, i);
    if (!token.normalized)
      raw_tokens_.add(token.text, token);
    else if (file.added_as_stored)
      normalised_tokens_.add(token.text, token);
    else
      normalised_tokens_.add(file.rules.normalise(token.text, {}, true).text, token);
    has_normalised_ |= token.normalized;
  }
}

void Tokenizer::Data::read_special_ids() {
  if (file.specials) {
    specials = *file.specials;
    adds_bos = specials.adds_bos.value_or(false) && specials.bos;
    return;
  }
  specials = SpecialIds::read(
      folder, [this](std::string_view text) { return id_of(text); },
      [this](int64_t id) {
        return id >= 0 && id < file.pieces.size() && file.pieces.contains(static_cast<int32_t>(id));
      });
  auto fill = [this](std::optional<int32_t>& id, const std::string& text) {
    if (!id && !text.empty()) id = id_of(text);
  };
  fill(specials.bos, file.begin_token);
  fill(specials.bos, file.bos);
  fill(specials.eos, file.eos);
  fill(specials.pad, file.pad);
  if (specials.eos) specials.add_stop(*specials.eos);
  adds_bos = specials.adds_bos.value_or(!file.begin_token.empty()) && specials.bos;
}

std::optional<int32_t> Tokenizer::Data::id_of(std::string_view piece) const {
  const int32_t id = file.pieces.find(piece);
  return id >= 0 ? std::optional(id) : std::nullopt;
}

const AddedToken* Tokenizer::Data::added(int32_t id) const {
  auto found = added_index_.find(id);
  return found == added_index_.end() ? nullptr : &file.added[found->second];
}

int Tokenizer::Data::byte_of(int32_t id) const {
  switch (file.decoding.kind) {
    case DecodeRules::Kind::kFused:
      return file.decoding.byte_tokens ? byte_of_piece(file.pieces.bytes(id)) : -1;
    case DecodeRules::Kind::kSentencePiece:
      if (!file.pieces.contains(id) || file.types[static_cast<size_t>(id)] != TokenType::kByte)
        return -1;
      return byte_of_piece(file.pieces.bytes(id));
    case DecodeRules::Kind::kByteLevel:
    case DecodeRules::Kind::kMetaspace:
      break;
  }
  return -1;
}

std::string Tokenizer::Data::text_of(int32_t id, std::string_view space) const {
  const std::string_view piece = file.pieces.bytes(id);
  if (file.decoding.kind == DecodeRules::Kind::kByteLevel) {
    if (bytes_.contains(id)) return std::string(bytes_.bytes(id));
    return from_byte_alphabet(piece).value_or(std::string(piece));
  }
  if (const int byte = byte_of(id); byte >= 0) return std::string(1, static_cast<char>(byte));
  if (file.decoding.kind == DecodeRules::Kind::kSentencePiece && id == file.options.unknown)
    return file.decoding.unknown;
  if (!file.decoding.restores_spaces) return std::string(piece);
  std::string text;
  for (size_t at = 0; at < piece.size();) {
    const size_t mark = std::min(piece.find(kSpaceMark, at), piece.size());
    text.append(piece, at, mark - at);
    if (mark < piece.size()) text += space;
    at = mark + kSpaceMark.size();
  }
  return text;
}

std::string Tokenizer::Data::decode_run(std::string_view bytes) const {
  if (is_utf8(bytes)) return std::string(bytes);
  std::string text;
  // `tokenizers` gives up on the whole run, `sentencepiece` on each byte that belongs to no
  // character.
  if (file.decoding.kind == DecodeRules::Kind::kSentencePiece) return replace_each_invalid(bytes);
  for (size_t i = 0; i < bytes.size(); ++i) text += "\xEF\xBF\xBD";
  return text;
}

void Tokenizer::Data::encode(std::string_view text, std::span<const SpanStart> starts,
                             SpanEncoding& result) const {
  std::vector<AddedTokenMatcher::Part> parts;
  raw_tokens_.split(text, parts);
  MappedText piece;
  for (const AddedTokenMatcher::Part& part : parts) {
    if (part.id >= 0) {
      result.ids.push_back(part.id);
      if (!starts.empty()) result.span_of.push_back(span_at(starts, part.token));
      continue;
    }
    span_at(starts, part.begin);
    const std::string_view plain = text.substr(part.begin, part.end - part.begin);
    starts_within(starts, part.begin, part.end, piece.starts);
    const bool is_first = part.begin == 0;
    if (file.rules.keeps(plain)) {
      encode_part(plain, {piece.starts, 0, is_first}, result);
    } else {
      const MappedText normal = file.rules.normalise(plain, piece.starts, is_first);
      encode_part(normal.text, {normal.starts, 0, is_first}, result);
    }
  }
}

void Tokenizer::Data::encode_part(std::string_view text, Place place, SpanEncoding& result) const {
  if (!has_normalised_) return encode_stretch(text, place, result);
  std::vector<AddedTokenMatcher::Part> parts;
  normalised_tokens_.split(text, parts);
  for (const AddedTokenMatcher::Part& part : parts) {
    if (part.id < 0) {
      span_at(place.starts, part.begin);
      encode_stretch(text.substr(part.begin, part.end - part.begin),
                     {place.starts, part.begin, place.is_first && part.begin == 0}, result);
      continue;
    }
    result.ids.push_back(part.id);
    if (!place.starts.empty()) result.span_of.push_back(span_at(place.starts, part.token));
  }
}

// Text between added tokens of both kinds.
void Tokenizer::Data::encode_stretch(std::string_view text, Place place,
                                     SpanEncoding& result) const {
  if (file.rules.metaspace == TextRules::Metaspace::kNone) return encode_plain(text, place, result);
  std::vector<SpanStart> inside;
  starts_within(place.starts, place.offset, place.offset + text.size(), inside);
  const MappedText marked = file.rules.mark(text, inside, place.is_first);
  encode_plain(marked.text, {marked.starts, 0, place.is_first}, result);
}

void Tokenizer::Data::encode_plain(std::string_view text, Place place, SpanEncoding& result) const {
  std::vector<EncodedPiece> tokens;
  for (size_t at = 0; at < text.size();) {
    const size_t end = file.kind == TokenizerKind::kByteLevel ? splitter_.end_of_piece(text, at)
                                                              : cuts_.end_of_piece(text, at);
    tokens.clear();
    encoder_.encode(text.substr(at, end - at), tokens);
    for (const EncodedPiece& token : tokens) {
      result.ids.push_back(token.id);
      if (!place.starts.empty())
        result.span_of.push_back(span_at(place.starts, place.offset + at + token.begin));
    }
    at = end;
  }
}

}  // namespace slmtune::data
