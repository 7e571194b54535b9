// Checked access to the members of tokenizer.json and tekken.json, with errors that name the
// member.
#pragma once
#include <simdjson.h>

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "data/tokenizer/tokenizer_file.h"

namespace slmtune::data {

class JsonReader : public TokenizerSource {
 public:
  using Array = simdjson::dom::array;
  using Element = simdjson::dom::element;
  using Object = simdjson::dom::object;

  explicit JsonReader(const std::filesystem::path& path) : TokenizerSource(path) {}

 protected:
  // All errors are F030. The result points into this reader.
  Object parse();
  Object object(const Element& value, const char* what) const;
  Object member(const Object& parent, const char* key) const;
  Array list(const Object& parent, const char* key) const;
  bool is_null(const Object& parent, const char* key) const;  // or missing
  std::string_view text(const Object& parent, const char* key, std::string_view fallback) const;
  bool flag(const Object& parent, const char* key, bool fallback) const;
  int64_t number(const Object& parent, const char* key, int64_t fallback) const;

 private:
  simdjson::dom::parser parser_;
  simdjson::padded_string bytes_;
};

}  // namespace slmtune::data
