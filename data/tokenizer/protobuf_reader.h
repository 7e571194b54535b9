// Reads the fields of one protobuf message, bounds checked, without a schema
// (https://protobuf.dev/programming-guides/encoding). Nothing is copied.
//
//   ProtobufReader reader(bytes);
//   while (std::optional<ProtobufReader::Field> field = reader.next()) …;
//   if (!reader.is_intact()) …
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace slmtune::data {

class ProtobufReader {
 public:
  struct Field {
    uint32_t number = 0;
    uint64_t value = 0;      // varint, or the 4 or 8 bytes of a fixed number
    std::string_view bytes;  // text, bytes or message
    bool is_varint = false, is_fixed32 = false, is_bytes = false;

    float as_float() const;  // precondition: is_fixed32
  };

  explicit ProtobufReader(std::string_view bytes) : bytes_(bytes) {}

  // Nothing at the end and where the message is malformed.
  std::optional<Field> next();
  bool is_intact() const { return is_intact_; }

 private:
  bool read_varint(uint64_t& value);
  bool read_fixed(size_t size, uint64_t& value);

  std::string_view bytes_;  // still to be read
  bool is_intact_ = true;
};

}  // namespace slmtune::data
