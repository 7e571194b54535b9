#include <utility>

#include "data/tokenizer/tokenizer_data.h"
#include "data/tokenizer/unicode.h"

namespace slmtune::data {

using Kind = DecodeRules::Kind;

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(tokenizer),
      skip_special_(skip_special),
      lead_(tokenizer.data_->file.decoding.strip) {}

std::string StreamDecoder::push(int32_t id) {
  const Tokenizer::Data& data = *tokenizer_.data_;
  if (skip_special_ && tokenizer_.is_special(id)) return {};
  if (!data.file.pieces.contains(id)) return {};
  if (data.file.decoding.kind == Kind::kByteLevel) {
    pending_ += data.text_of(id);
    const size_t complete = pending_.size() - incomplete_tail(pending_);
    std::string text = replace_invalid_utf8(std::string_view(pending_).substr(0, complete));
    pending_.erase(0, complete);
    return text;
  }
  if (const int byte = data.byte_of(id); byte >= 0) {
    pending_.push_back(static_cast<char>(byte));
    return {};
  }
  if (data.file.decoding.kind == Kind::kMetaspace)
    return data.text_of(id, std::exchange(lead_, 0) > 0 ? "" : " ");
  std::string text = end_of_bytes();
  return text += without_lead(data.text_of(id), id != data.file.options.unknown);
}

std::string StreamDecoder::finish() {
  if (tokenizer_.data_->file.decoding.kind != Kind::kByteLevel) return end_of_bytes();
  return replace_invalid_utf8(std::exchange(pending_, {}));
}

std::string StreamDecoder::end_of_bytes() {
  if (pending_.empty()) return {};
  return without_lead(tokenizer_.data_->decode_run(std::exchange(pending_, {})), false);
}

// `is_piece`: neither from byte tokens nor for the unknown token.
std::string StreamDecoder::without_lead(std::string text, bool is_piece) {
  const DecodeRules& rules = tokenizer_.data_->file.decoding;
  if (rules.kind == Kind::kSentencePiece) {
    const bool strips = lead_ > 0 && is_piece && text.starts_with(' ');
    if (strips) text.erase(0, 1);
    if ((strips && !rules.strip_every) || !text.empty()) lead_ = 0;
    return text;
  }
  size_t blanks = 0;
  while (blanks < text.size() && blanks < lead_ && text[blanks] == ' ') ++blanks;
  lead_ = blanks < text.size() ? 0 : lead_ - static_cast<uint32_t>(blanks);
  return text.erase(0, blanks);
}

}  // namespace slmtune::data
