#include "models/config_reader.h"

#include "core/error.h"
#include "core/text.h"

namespace slmtune::models {

ConfigReader::ConfigReader(Json json, std::string where, std::string prefix)
    : json_(std::move(json)), where_(std::move(where)), prefix_(std::move(prefix)) {
  if (!json_.is_object())
    fail("F004", prefix_.empty()
                     ? "the file is not a JSON object"
                     : "'" + prefix_.substr(0, prefix_.size() - 1) + "' is not an object");
}

bool ConfigReader::given(const std::string& key) const {
  const auto found = json_.find(key);
  return found != json_.end() && !found->is_null();
}

int64_t ConfigReader::size(const std::string& key, int64_t high) const {
  const int64_t value = json_integer(json_, key, where_);
  if (value < 1 || value > high)
    fail("F052",
         "'" + prefix_ + key + "' is " + std::to_string(value) + "; expected 1 to " +
             std::to_string(high),
         "check that the file belongs to a decoder language model");
  return value;
}

int64_t ConfigReader::size_or(const std::string& key, int64_t fallback, int64_t high) const {
  return given(key) ? size(key, high) : fallback;
}

std::vector<int64_t> ConfigReader::ids(const std::string& key) const {
  const Json list = value(key).is_array() ? value(key) : Json::array({value(key)});
  std::vector<int64_t> ids;
  for (const Json& id : list) {
    const bool is_huge = id.is_number_unsigned() && id.get<uint64_t>() >> 63 != 0;
    if (!id.is_number_integer() || is_huge)
      fail("F004", "'" + prefix_ + key + "' is not a token id or a list of them");
    ids.push_back(id.get<int64_t>());
  }
  return ids;
}

double ConfigReader::positive(const std::string& key) const {
  const double value = json_number(json_, key, where_);
  if (!(value > 0.0) || value > 1e12)
    fail("F052", "'" + prefix_ + key + "' is " + Json(value).dump() + "; expected more than 0");
  return value;
}

double ConfigReader::positive_or(const std::string& key, double fallback) const {
  return given(key) ? positive(key) : fallback;
}

bool ConfigReader::flag(const std::string& key, bool fallback) const {
  if (!given(key)) return fallback;
  if (!value(key).is_boolean()) fail("F004", "'" + prefix_ + key + "' is not true or false");
  return value(key).get<bool>();
}

std::string ConfigReader::text(const std::string& key) const {
  return json_text(json_, key, where_);
}

std::vector<double> ConfigReader::positive_list(const std::string& key) const {
  if (!given(key)) fail("F003", "'" + prefix_ + key + "' is missing");
  std::vector<double> numbers;
  const Json& list = value(key);
  bool good = list.is_array();
  for (size_t i = 0; good && i < list.size(); ++i) {
    good = list[i].is_number() && list[i].get<double>() > 0.0 && list[i].get<double>() <= 1e12;
    if (good) numbers.push_back(list[i].get<double>());
  }
  if (!good) fail("F004", "'" + prefix_ + key + "' is not a list of numbers above 0");
  return numbers;
}

ConfigReader ConfigReader::inside(const std::string& key) const {
  return {value(key), where_, prefix_ + key + "."};
}

void ConfigReader::refuse(const std::string& key, const std::string& value,
                          const std::string& supported) const {
  fail("F051", "'" + prefix_ + key + "' is " + shown(value) + ", which is not supported",
       "supported: " + supported);
}

void ConfigReader::fail(const std::string& code, const std::string& what,
                        const std::string& help) const {
  throw FileFormatError(code, where_, what, help);
}

}  // namespace slmtune::models
