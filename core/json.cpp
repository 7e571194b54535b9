#include "core/json.h"

#include <limits>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/text.h"

namespace slmtune {
namespace {

constexpr int kDepthLimit = 128;

std::string place_of(const std::string& path, const std::string& text, size_t offset) {
  size_t line = 1, column = 1;
  for (size_t i = 0; i < std::min(offset, text.size()); ++i) {
    ++column;
    if (text[i] == '\n') {
      ++line;
      column = 1;
    }
  }
  return path + ":" + std::to_string(line) + ":" + std::to_string(column);
}

// Offset of the bracket that nests deeper than the limit, or npos. Brackets in strings do not
// count.
size_t too_deep(const std::string& text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kDepthLimit) return i;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return std::string::npos;
}

const Json& member(const Json& object, const std::string& key, const std::string& where) {
  auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end())
    throw FileFormatError("F003", where, "'" + key + "' is missing",
                          "check that the file is complete");
  return *found;
}

[[noreturn]] void wrong_type(const Json& value, const std::string& key, const std::string& where,
                             const std::string& expected) {
  throw FileFormatError("F004", where,
                        "'" + key + "' must be " + expected + ", got " + value.type_name(),
                        "check that the file is for this kind of model");
}

}  // namespace

Json read_json(const std::filesystem::path& path, uint64_t limit_bytes) {
  std::string text = read_text_file(path, limit_bytes);
  const std::string help = "check that the file is complete";
  if (size_t at = too_deep(text); at != std::string::npos)
    throw FileFormatError("F002", place_of(path.string(), text, at),
                          "nested deeper than " + std::to_string(kDepthLimit) + " levels", help);
  // The parser takes a NUL byte for the end and would ignore what follows.
  if (size_t at = text.find('\0'); at != std::string::npos)
    throw FileFormatError("F002", place_of(path.string(), text, at), "not JSON: a NUL byte", help);
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    auto* syntax = dynamic_cast<const Json::parse_error*>(&error);
    size_t offset = syntax && syntax->byte > 0 ? syntax->byte - 1 : 0;
    throw FileFormatError("F002", place_of(path.string(), text, offset),
                          "not JSON: syntax error here", help);
  }
}

int64_t json_integer(const Json& object, const std::string& key, const std::string& where) {
  const Json& value = member(object, key, where);
  bool too_large =
      value.is_number_unsigned() &&
      value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (!value.is_number_integer() || too_large) wrong_type(value, key, where, "a whole number");
  return value.get<int64_t>();
}

double json_number(const Json& object, const std::string& key, const std::string& where) {
  const Json& value = member(object, key, where);
  if (!value.is_number()) wrong_type(value, key, where, "a number");
  return value.get<double>();
}

std::string json_text(const Json& object, const std::string& key, const std::string& where) {
  const Json& value = member(object, key, where);
  if (!value.is_string()) wrong_type(value, key, where, "a text");
  return value.get<std::string>();
}

}  // namespace slmtune
