#include "core/json.h"

#include <limits>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/text.h"

namespace slmtune {
namespace {

constexpr int kDepthLimit = 64;
// A value takes up to 100 bytes of memory but may take two of the file, so the file's size alone
// does not bound the memory.
constexpr size_t kValueLimit = 500'000;
constexpr const char* kHelp = "check that the file is complete";

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

// Builds the document from the parser's events, which is where a key that stands twice is still
// seen: the parser's own document would keep the last one in silence.
class DocumentBuilder : public nlohmann::json_sax<Json> {
 public:
  DocumentBuilder(const std::string& path, const std::string& text) : path_(path), text_(text) {}
  Json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(int64_t value) override { return add(value); }
  bool number_unsigned(uint64_t value) override { return add(value); }
  bool number_float(double value, const std::string&) override { return add(value); }
  bool string(std::string& value) override { return add(std::move(value)); }
  bool binary(Json::binary_t&) override { return false; }  // JSON text has none

  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    if (open_.back()->contains(name))
      throw FileFormatError("F006", path_, "key '" + shown(name) + "' stands there twice",
                            "keep one of them; readers differ in which one they take");
    key_ = std::move(name);
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    const bool too_large = dynamic_cast<const Json::out_of_range*>(&error) != nullptr;
    throw FileFormatError("F002", place_of(path_, text_, position > 0 ? position - 1 : 0),
                          too_large ? "not JSON: a number beyond what a double can hold"
                                    : "not JSON: syntax error here",
                          kHelp);
  }

 private:
  Json* put(Json value) {
    if (++count_ > kValueLimit)
      throw FileFormatError("F001", path_, "more than " + std::to_string(kValueLimit) + " values",
                            "check that this is the right file");
    if (open_.empty()) return &(root_ = std::move(value));
    Json& parent = *open_.back();
    if (parent.is_object()) return &(parent[key_] = std::move(value));
    parent.push_back(std::move(value));
    return &parent.back();
  }
  bool add(Json value) { return put(std::move(value)) != nullptr; }
  bool open(Json value) {
    open_.push_back(put(std::move(value)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  const std::string& path_;
  const std::string& text_;
  Json root_;
  std::vector<Json*> open_;  // from the root inwards; an open container's parents do not grow
  std::string key_;
  size_t count_ = 0;
};

const Json& member(const Json& object, const std::string& key, const std::string& where) {
  auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end())
    throw FileFormatError("F003", where, "'" + key + "' is missing", kHelp);
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
  return parse_json(read_text_file(path, limit_bytes), path.string());
}

Json parse_json(const std::string& text, const std::string& where) {
  if (size_t at = too_deep(text); at != std::string::npos)
    throw FileFormatError("F002", place_of(where, text, at),
                          "nested deeper than " + std::to_string(kDepthLimit) + " levels", kHelp);
  // The parser takes a NUL byte for the end and would ignore what follows.
  if (size_t at = text.find('\0'); at != std::string::npos)
    throw FileFormatError("F002", place_of(where, text, at), "not JSON: a NUL byte", kHelp);
  DocumentBuilder builder(where, text);
  Json::sax_parse(text, &builder);
  return builder.take();
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
