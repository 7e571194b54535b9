#include "data/tokenizer/protobuf_reader.h"

#include <bit>

namespace slmtune::data {

float ProtobufReader::Field::as_float() const {
  return std::bit_cast<float>(static_cast<uint32_t>(value));
}

bool ProtobufReader::read_varint(uint64_t& value) {
  value = 0;
  for (uint32_t shift = 0; shift < 70 && !bytes_.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes_[0]);
    bytes_.remove_prefix(1);
    if (shift == 63 && byte > 1) return false;
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (!(byte & 0x80)) return true;
  }
  return false;
}

bool ProtobufReader::read_fixed(size_t size, uint64_t& value) {
  if (bytes_.size() < size) return false;
  value = 0;
  for (size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes_[i]);
  bytes_.remove_prefix(size);
  return true;
}

std::optional<ProtobufReader::Field> ProtobufReader::next() {
  if (bytes_.empty() || !is_intact_) return std::nullopt;
  is_intact_ = false;
  uint64_t key = 0;
  if (!read_varint(key) || key >> 3 == 0 || key >> 3 >= 1u << 29) return std::nullopt;
  Field field;
  field.number = static_cast<uint32_t>(key >> 3);
  switch (key & 7) {
    case 0:
      field.is_varint = true;
      if (!read_varint(field.value)) return std::nullopt;
      break;
    case 1:
      if (!read_fixed(8, field.value)) return std::nullopt;
      break;
    case 2:
      field.is_bytes = true;
      if (!read_varint(field.value) || field.value > bytes_.size()) return std::nullopt;
      field.bytes = bytes_.substr(0, static_cast<size_t>(field.value));
      bytes_.remove_prefix(field.bytes.size());
      break;
    case 5:
      field.is_fixed32 = true;
      if (!read_fixed(4, field.value)) return std::nullopt;
      break;
    default:  // groups, which SentencePiece does not have, and what is no wire type
      return std::nullopt;
  }
  is_intact_ = true;
  return field;
}

}  // namespace slmtune::data
