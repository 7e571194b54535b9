#include "data/row_keys.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>

#include "core/sha256.h"
#include "core/text.h"
#include "data/bad_rows.h"
#include "data/line_reader.h"

namespace slmtune::data {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

// A longer text is no name that anybody looks for; a row has at most this many fields in the index.
constexpr size_t kMaxValue = 256, kMaxFields = 64;
constexpr int kMaxDepth = 4;
constexpr double kExact = 9007199254740992.0;  // 2^53: whole numbers are exact up to here

std::string number_text(double value) {
  char text[32];
  const bool is_whole = std::trunc(value) == value && std::abs(value) < kExact;
  auto end = is_whole ? std::to_chars(text, text + sizeof text, static_cast<int64_t>(value)).ptr
                      : std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

// Text of a value that is no object and no list.
std::string scalar_text(const element& value) {
  switch (value.type()) {
    case element_type::STRING:
      return std::string(std::string_view(value));
    case element_type::INT64:
      return std::to_string(int64_t(value));
    case element_type::UINT64:
      return std::to_string(uint64_t(value));
    case element_type::DOUBLE:
      return number_text(double(value));
    case element_type::BOOL:
      return bool(value) ? "true" : "false";
    default:
      return "null";
  }
}

bool is_scalar(const element& value) {
  return !value.is_object() && !value.is_array();
}

// Every value starts with its kind and its length, so that no two rows give the same text.
void add_canonical(const element& value, std::string& out);

void add_text(char kind, std::string_view text, std::string& out) {
  out += kind + std::to_string(text.size()) + ":";
  out += text;
}

void add_canonical(const object& value, std::string& out) {
  std::vector<std::pair<std::string_view, element>> members;
  for (auto [key, member] : value) members.emplace_back(key, member);
  std::stable_sort(members.begin(), members.end(),
                   [](auto& left, auto& right) { return left.first < right.first; });
  out += '{' + std::to_string(members.size()) + ":";
  for (const auto& [key, member] : members) {
    add_text('k', key, out);
    add_canonical(member, out);
  }
}

void add_canonical(const element& value, std::string& out) {
  if (value.is_object()) return add_canonical(object(value), out);
  if (!value.is_array()) return add_text(value.is_string() ? 's' : 'v', scalar_text(value), out);
  const simdjson::dom::array list(value);
  out += '[' + std::to_string(list.size()) + ":";
  for (const element& item : list) add_canonical(item, out);
}

void add_fields(const object& value, const std::string& prefix, int depth, RowKeys& keys) {
  for (auto [key, member] : value) {
    if (keys.fields.size() >= kMaxFields) return;
    const std::string name = prefix + std::string(key);
    if (member.is_object() && depth < kMaxDepth) {
      add_fields(object(member), name + ".", depth + 1, keys);
      continue;
    }
    if (!is_scalar(member) || member.is_null()) continue;
    const std::string text = scalar_text(member);
    if (text.size() > kMaxValue) continue;
    keys.fields.push_back(field_key(name, text));
    if (name == "id") keys.id = keys.fields.back();
  }
}

}  // namespace

RowDigest digest_of(std::string_view text) {
  const auto value = [](char digit) { return digit <= '9' ? digit - '0' : digit - 'a' + 10; };
  const std::string digits = sha256(text);
  RowDigest digest;
  for (size_t i = 0; i < digest.size(); ++i)
    digest[i] = static_cast<unsigned char>(value(digits[2 * i]) << 4 | value(digits[2 * i + 1]));
  return digest;
}

RowDigest field_key(std::string_view name, std::string_view value) {
  std::string text;
  add_text('f', name, text);
  add_text('s', value, text);
  return digest_of(text);
}

RowKeys row_keys(const object& row) {
  std::string canonical;
  add_canonical(row, canonical);
  RowKeys keys{digest_of(canonical), {}, {}};
  add_fields(row, "", 1, keys);
  return keys;
}

std::vector<RowKeys> keys_of_file(const std::filesystem::path& path) {
  std::vector<RowKeys> keys;
  BadRows bad;
  simdjson::dom::parser parser;
  for (LineReader lines(path); lines.next();) {
    const std::string place = path.string() + ":" + std::to_string(lines.number());
    object row;
    if (!is_utf8(lines.text()))
      bad.add("D006", place, "the line is not UTF-8", "save the file as UTF-8");
    else if (parser.parse(lines.text().data(), lines.text().size(), true).get_object().get(row))
      bad.add("D002", place, "the line is not a JSON object",
              "a row is one JSON object on one line");
    else
      keys.push_back(row_keys(row));
  }
  bad.throw_if_any(path.string());
  return keys;
}

}  // namespace slmtune::data
