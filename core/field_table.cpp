#include "core/field_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <string_view>

#include "core/json.h"

namespace slmtune {
namespace {

using Kind = FieldFacts::Kind;

IntRange whole(const NumberRange& range) {
  IntRange result;
  if (std::isfinite(range.low)) result.low = static_cast<int64_t>(range.low);
  if (std::isfinite(range.high)) result.high = static_cast<int64_t>(range.high);
  return result;
}

}  // namespace

void read_field(YamlReader& yaml, const FieldFacts& facts, int64_t& value) {
  value = yaml.integer(facts.key, value, whole(facts.range));
}

void read_field(YamlReader& yaml, const FieldFacts& facts, uint64_t& value) {
  value = static_cast<uint64_t>(
      yaml.integer(facts.key, static_cast<int64_t>(value), whole(facts.range)));
}

void read_field(YamlReader& yaml, const FieldFacts& facts, double& value) {
  value = yaml.number(facts.key, value, facts.range);
}

void read_field(YamlReader& yaml, const FieldFacts& facts, bool& value) {
  value = yaml.flag(facts.key, value);
}

void read_field(YamlReader& yaml, const FieldFacts& facts, std::string& value) {
  if (!facts.words.empty())
    value = yaml.choice(facts.key, value, facts.words, facts.later);
  else
    value = facts.is_required ? yaml.required_text(facts.key) : yaml.text(facts.key, value);
}

void read_field(YamlReader& yaml, const FieldFacts& facts, std::filesystem::path& value) {
  std::string text = value.string();
  read_field(yaml, facts, text);
  value = text;
}

void read_field(YamlReader& yaml, const FieldFacts& facts, std::vector<std::string>& value) {
  if (facts.is_one_or_many && !yaml.is_list(facts.key))
    value = {yaml.text(facts.key, value.front())};
  else
    value = yaml.texts(facts.key, value, facts.words);
}

void read_field(YamlReader& yaml, const FieldFacts& facts, std::optional<int64_t>& value) {
  value = yaml.optional_integer(facts.key, whole(facts.range), facts.words);
}

void read_field(YamlReader& yaml, const FieldFacts& facts, std::optional<double>& value) {
  value = yaml.optional_number(facts.key, facts.range, facts.words);
}

void read_field(YamlReader& yaml, const FieldFacts& facts, std::optional<std::string>& value) {
  value = yaml.optional_text(facts.key);
  if (value && !facts.words.empty())
    value = yaml.choice(facts.key, facts.words.front(), facts.words, facts.later);
}

std::string yaml_text(int64_t value) {
  return fmt::format("{}", value);
}

std::string yaml_text(uint64_t value) {
  return fmt::format("{}", value);
}

std::string yaml_text(double value) {
  // Readers of YAML 1.1 take 1e-8 for a text, and 1.0e-8 for a number.
  std::string text = fmt::format("{}", value);
  size_t exponent = text.find('e');
  if (exponent != std::string::npos && text.find('.') == std::string::npos)
    text.insert(exponent, ".0");
  return text;
}

std::string yaml_text(bool value) {
  return value ? "true" : "false";
}

std::string yaml_text(const std::string& value) {
  static constexpr std::array kWords = {"true", "false", "yes", "no", "on",
                                        "off",  "null",  "y",   "n"};
  std::string lower = value;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  auto is_plain = [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-' || c == '.' || c == '/';
  };
  bool plain = !value.empty() &&
               (std::isalpha(static_cast<unsigned char>(value[0])) || value[0] == '/') &&
               std::all_of(value.begin(), value.end(), is_plain) &&
               std::find(kWords.begin(), kWords.end(), lower) == kWords.end();
  // A JSON string is a YAML string.
  return plain ? value : Json(value).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string yaml_text(const std::filesystem::path& value) {
  return yaml_text(value.string());
}

std::string yaml_text(const std::vector<std::string>& value) {
  std::string text;
  for (const std::string& one : value) text += (text.empty() ? "" : ", ") + yaml_text(one);
  return "[" + text + "]";
}

Kind field_kind(const int64_t*) {
  return Kind::kInteger;
}

Kind field_kind(const uint64_t*) {
  return Kind::kInteger;
}

Kind field_kind(const double*) {
  return Kind::kNumber;
}

Kind field_kind(const bool*) {
  return Kind::kFlag;
}

Kind field_kind(const std::string*) {
  return Kind::kText;
}

Kind field_kind(const std::filesystem::path*) {
  return Kind::kText;
}

Kind field_kind(const std::vector<std::string>*) {
  return Kind::kTexts;
}

}  // namespace slmtune
