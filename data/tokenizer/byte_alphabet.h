// The byte alphabet of byte-level BPE: each byte is written as one printable character, so that a
// vocabulary is plain text (bytes 33–126, 161–172, 174–255 as themselves; the other 68 in order
// from U+0100 on; a space is 'Ġ').
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace slmtune::data {

std::string to_byte_alphabet(std::string_view bytes);

// Nothing when a character is not of the alphabet.
std::optional<std::string> from_byte_alphabet(std::string_view piece);

}  // namespace slmtune::data
