#include "data/tokenizer/json_reader.h"

namespace slmtune::data {
namespace {

constexpr uintmax_t kMaxBytes = uintmax_t{1} << 29;  // the largest published file has 35 MB

}  // namespace

JsonReader::Object JsonReader::parse() {
  std::error_code failed;
  const uintmax_t size = std::filesystem::file_size(path(), failed);
  if (failed || size > kMaxBytes || simdjson::padded_string::load(path().string()).get(bytes_))
    malformed("the file cannot be read");
  Element root;
  if (auto error = parser_.parse(bytes_).get(root))
    malformed(std::string("not valid JSON: ") + error_message(error));
  Object result;
  if (root.get_object().get(result)) malformed("the file is not a JSON object");
  return result;
}

JsonReader::Object JsonReader::object(const Element& value, const char* what) const {
  Object result;
  if (value.get_object().get(result)) malformed(std::string(what) + " is not an object");
  return result;
}

JsonReader::Object JsonReader::member(const Object& parent, const char* key) const {
  Object result;
  if (parent[key].get_object().get(result))
    malformed(std::string("'") + key + "' is missing or not an object");
  return result;
}

JsonReader::Array JsonReader::list(const Object& parent, const char* key) const {
  Array result;
  if (parent[key].get_array().get(result))
    malformed(std::string("'") + key + "' is missing or not a list");
  return result;
}

bool JsonReader::is_null(const Object& parent, const char* key) const {
  Element value;
  return parent[key].get(value) || value.is_null();
}

std::string_view JsonReader::text(const Object& parent, const char* key,
                                  std::string_view fallback) const {
  if (is_null(parent, key)) return fallback;
  std::string_view result;
  if (parent[key].get_string().get(result)) malformed(std::string("'") + key + "' is not a text");
  return result;
}

bool JsonReader::flag(const Object& parent, const char* key, bool fallback) const {
  if (is_null(parent, key)) return fallback;
  bool result = false;
  if (parent[key].get_bool().get(result))
    malformed(std::string("'") + key + "' is neither true nor false");
  return result;
}

int64_t JsonReader::number(const Object& parent, const char* key, int64_t fallback) const {
  if (is_null(parent, key)) return fallback;
  int64_t result = 0;
  if (parent[key].get_int64().get(result))
    malformed(std::string("'") + key + "' is not a whole number");
  return result;
}

}  // namespace slmtune::data
