#include "export/gguf/key_reader.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace slmtune::exporting {
namespace {

constexpr int64_t kCountLimit = std::numeric_limits<int32_t>::max();

template <class Held>
constexpr bool is_integer = std::is_integral_v<Held> && !std::is_same_v<Held, bool>;

double shortest(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  double wide = value;
  std::from_chars(text, end, wide);
  return wide;
}

}  // namespace

const GgufValue* KeyReader::find(const std::string& key) const {
  const auto found = file_.metadata().find(key);
  return found == file_.metadata().end() ? nullptr : &found->second;
}

void KeyReader::fail(const std::string& key, const std::string& what) const {
  throw FileFormatError("F100", where(), "key '" + shown(key) + "' " + what, kConvertAgain);
}

void KeyReader::wrong_kind(const std::string& key, const char* expected) const {
  fail(key, std::string("is of another kind than ") + expected);
}

std::optional<int64_t> KeyReader::integer(const std::string& key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  return std::visit(
      [&](const auto& held) -> int64_t {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (is_integer<Held>) {
          if (!std::in_range<int64_t>(held)) fail(key, "is " + std::to_string(held));
          return static_cast<int64_t>(held);
        } else {
          wrong_kind(key, "a whole number");
        }
      },
      *value);
}

int64_t KeyReader::count(const std::string& key) const {
  const std::optional<int64_t> value = integer(key);
  if (!value) fail(key, "is missing");
  if (*value < 1 || *value > kCountLimit)
    fail(key, "is " + std::to_string(*value) + "; expected 1 to " + std::to_string(kCountLimit));
  return *value;
}

std::optional<double> KeyReader::number(const std::string& key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const double number = std::visit(
      [&](const auto& held) -> double {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, float>)
          return shortest(held);
        else if constexpr (is_integer<Held> || std::is_same_v<Held, double>)
          return static_cast<double>(held);
        else
          wrong_kind(key, "a number");
      },
      *value);
  if (!std::isfinite(number)) fail(key, "is not a finite number");
  return number;
}

std::optional<bool> KeyReader::flag(const std::string& key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!std::holds_alternative<bool>(*value)) wrong_kind(key, "true or false");
  return std::get<bool>(*value);
}

std::optional<std::string> KeyReader::text_if(const std::string& key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!std::holds_alternative<std::string>(*value)) wrong_kind(key, "a text");
  return std::get<std::string>(*value);
}

std::string KeyReader::text(const std::string& key) const {
  const std::optional<std::string> value = text_if(key);
  if (!value) fail(key, "is missing");
  return *value;
}

std::vector<std::string> KeyReader::texts(const std::string& key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return {};
  if (!std::holds_alternative<std::vector<std::string>>(*value)) wrong_kind(key, "a list of texts");
  return std::get<std::vector<std::string>>(*value);
}

std::vector<int32_t> KeyReader::small_integers(const std::string& key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return {};
  if (const auto* wide = std::get_if<std::vector<uint32_t>>(value)) {
    std::vector<int32_t> narrow;
    for (const uint32_t item : *wide) narrow.push_back(static_cast<int32_t>(item));
    return narrow;
  }
  if (!std::holds_alternative<std::vector<int32_t>>(*value))
    wrong_kind(key, "a list of whole numbers");
  return std::get<std::vector<int32_t>>(*value);
}

std::vector<float> KeyReader::floats(const std::string& key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return {};
  if (!std::holds_alternative<std::vector<float>>(*value)) wrong_kind(key, "a list of float32");
  return std::get<std::vector<float>>(*value);
}

}  // namespace slmtune::exporting
