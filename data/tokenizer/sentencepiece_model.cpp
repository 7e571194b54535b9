#include "data/tokenizer/sentencepiece_model.h"

#include "data/tokenizer/protobuf_reader.h"

namespace slmtune::data {
namespace {

using Field = ProtobufReader::Field;

constexpr size_t kMaxPieces = 1 << 22;

// Calls `take(field)` for each field of the message; false when it is malformed or `take` says so.
template <typename Take>
bool for_each_field(std::string_view message, Take take) {
  ProtobufReader reader(message);
  while (const std::optional<Field> field = reader.next())
    if (!take(*field)) return false;
  return reader.is_intact();
}

bool read_piece(std::string_view message, SentencePieceModel::Piece& piece) {
  return for_each_field(message, [&](const Field& field) {
    switch (field.number) {
      case 1:
        piece.text = field.bytes;
        return field.is_bytes;
      case 2:
        piece.score = field.as_float();
        return field.is_fixed32;
      case 3:
        piece.type = static_cast<TokenType>(field.value);
        return field.is_varint && field.value >= 1 && field.value <= 6;
      default:
        return true;
    }
  });
}

bool read_trainer(std::string_view message, SentencePieceModel& model) {
  return for_each_field(message, [&](const Field& field) {
    const auto number = static_cast<int64_t>(field.value);
    switch (field.number) {
      case 3:
        model.model_type = number;
        return field.is_varint;
      case 24:
        model.space_as_suffix = number != 0;
        return field.is_varint;
      case 35:
        model.byte_fallback = number != 0;
        return field.is_varint;
      case 41:
        model.bos_id = number;
        return field.is_varint;
      case 42:
        model.eos_id = number;
        return field.is_varint;
      case 43:
        model.pad_id = number;
        return field.is_varint;
      case 44:
        model.unknown_surface = field.bytes;
        return field.is_bytes;
      default:
        return true;
    }
  });
}

bool read_normalizer(std::string_view message, SentencePieceModel& model) {
  return for_each_field(message, [&](const Field& field) {
    const bool on = field.value != 0;
    switch (field.number) {
      case 1:
        model.normalizer_name = field.bytes;
        return field.is_bytes;
      case 2:
        model.has_character_map |= !field.bytes.empty();
        return field.is_bytes;
      case 3:
        model.add_dummy_prefix = on;
        return field.is_varint;
      case 4:
        model.remove_extra_whitespaces = on;
        return field.is_varint;
      case 5:
        model.escape_whitespaces = on;
        return field.is_varint;
      default:
        return true;
    }
  });
}

}  // namespace

std::optional<SentencePieceModel> SentencePieceModel::parse(std::string_view bytes) {
  SentencePieceModel model;
  const bool intact = for_each_field(bytes, [&](const Field& field) {
    if (field.number > 5) return true;
    if (!field.is_bytes) return false;
    switch (field.number) {
      case 1:
        return model.pieces.size() < kMaxPieces &&
               read_piece(field.bytes, model.pieces.emplace_back());
      case 2:
        return read_trainer(field.bytes, model);
      case 3:
        return read_normalizer(field.bytes, model);
      case 5: {
        SentencePieceModel denormalizer;
        const bool read = read_normalizer(field.bytes, denormalizer);
        model.has_character_map |= denormalizer.has_character_map;
        return read;
      }
      default:
        return true;
    }
  });
  if (!intact) return std::nullopt;
  return model;
}

}  // namespace slmtune::data
