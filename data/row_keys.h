// Digests by which a row is found again in the index of a snapshot (store/row_index.h), long after
// its text is gone: one of the whole row, and one of each short field.
//
// The digest of a row does not depend on blanks, on the order of its members or on how its numbers
// and letters are written ("1.0" or "1", "\u00e9" or "é").
#pragma once
#include <array>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

namespace simdjson::dom {
class object;
}

namespace slmtune::data {

using RowDigest = std::array<unsigned char, 16>;  // first half of a SHA-256

RowDigest digest_of(std::string_view text);

struct RowKeys {
  RowDigest row{};
  std::vector<RowDigest> fields;
  std::optional<RowDigest> id;  // that of the field `id`
};

RowKeys row_keys(const simdjson::dom::object& row);

// Digest of the field `name` (dotted for a field within an object: "meta.user") that has `value`: a
// text, or a number, true or false as JSON writes it.
RowDigest field_key(std::string_view name, std::string_view value);

// Keys of the rows of a JSONL file of any shape. N001; D002, D006 with the places of bad lines.
std::vector<RowKeys> keys_of_file(const std::filesystem::path& path);

}  // namespace slmtune::data
