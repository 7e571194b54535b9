#include "core/internal/yaml_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

#include "core/internal/foreign_keys.h"
#include "core/text.h"

namespace slmtune {
namespace {

using Node = YamlReader::Node;
using State = YamlReader::State;

constexpr size_t kListedWords = 8;

template <typename Number>
std::string limits_text(std::optional<Number> low, std::optional<Number> high, bool low_open,
                        bool high_open) {
  if (low && high && !low_open && !high_open) return fmt::format("from {} to {}", *low, *high);
  std::string text;
  if (low) text = fmt::format("{} {}", low_open ? "above" : "at least", *low);
  if (high) {
    if (low) text += " and ";
    text += fmt::format("{} {}", high_open ? "below" : "at most", *high);
  }
  return text;
}

std::string range_text(const IntRange& range) {
  using Limits = std::numeric_limits<int64_t>;
  std::optional<int64_t> low, high;
  if (range.low != Limits::min()) low = range.low;
  if (range.high != Limits::max()) high = range.high;
  return limits_text(low, high, false, false);
}

bool contains(const IntRange& range, int64_t value) {
  return value >= range.low && value <= range.high;
}

bool contains(const NumberRange& range, double value) {
  return (range.is_low_open ? value > range.low : value >= range.low) &&
         (range.is_high_open ? value < range.high : value <= range.high);
}

std::string lower(const std::string& text) {
  std::string result = text;
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// .inf, -.Inf, nan and their like.
bool is_not_finite(const std::string& text) {
  static constexpr std::array kWords = {"inf", "infinity", "nan"};
  std::string word = lower(text.substr(std::min(text.find_first_not_of("+-."), text.size())));
  return std::find(kWords.begin(), kWords.end(), word) != kWords.end();
}

// from_chars takes no leading '+'.
const char* skip_plus(const std::string& text) {
  return text.data() + (text.size() > 1 && text[0] == '+' && text[1] != '-' ? 1 : 0);
}

template <typename Number>
std::errc parse_number(const std::string& text, Number& value) {
  if (is_not_finite(text)) return std::errc::invalid_argument;
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(skip_plus(text), end, value);
  return stop != end ? std::errc::invalid_argument : error;
}

std::string or_words(const std::string& expected, const std::vector<std::string>& words) {
  return words.empty() ? expected : expected + " or " + quoted_list(words);
}

std::string help_for_number(const Node& node, bool is_quoted_number,
                            const std::vector<std::string>& words) {
  if (is_quoted_number) return "remove the quotes";
  std::string near = node.kind == Node::Kind::kScalar ? nearest_name(node.scalar, words) : "";
  return near.empty() ? "" : "did you mean '" + near + "'?";
}

template <typename Number, typename Range>
std::optional<Number> checked(State& state, const Node& node, const Range& range,
                              const std::string& expected, const std::vector<std::string>& words) {
  Number value{};
  bool is_scalar = node.kind == Node::Kind::kScalar;
  std::errc error = is_scalar ? parse_number(node.scalar, value) : std::errc::invalid_argument;
  if (is_scalar && node.is_plain && is_not_finite(node.scalar)) {
    state.add(
        "R022", node.place,
        fmt::format("'{}' must be a finite number, got '{}'", node.path, shown(node.scalar, 60)),
        range_text(range).empty() ? "" : "it takes numbers " + range_text(range));
    return std::nullopt;
  }
  if (error == std::errc::invalid_argument || !node.is_plain) {
    bool is_quoted_number = is_scalar && !node.is_plain && error == std::errc();
    add_wrong_type(state, node, or_words(expected, words),
                   help_for_number(node, is_quoted_number, words));
    return std::nullopt;
  }
  if (error == std::errc() && contains(range, value)) return value;
  std::string limits = range_text(range);
  state.add("R004", node.place,
            fmt::format("'{}' {}, got {}", node.path,
                        limits.empty() ? "is too large or too small" : "must be " + limits,
                        shown(node.scalar, 60)),
            "");
  return std::nullopt;
}

}  // namespace

std::string range_text(const NumberRange& range) {
  std::optional<double> low, high;
  if (std::isfinite(range.low)) low = range.low;
  if (std::isfinite(range.high)) high = range.high;
  return limits_text(low, high, range.is_low_open, range.is_high_open);
}

std::string shown_value(const Node& node) {
  if (node.kind == Node::Kind::kList) return "a list";
  if (node.kind == Node::Kind::kMapping) return "a section";
  if (node.kind == Node::Kind::kNull) return "nothing";
  return (node.is_plain ? "'" : "the text '") + shown(node.scalar, 60) + "'";
}

void add_wrong_type(State& state, const Node& node, const std::string& expected,
                    const std::string& help) {
  state.add("R003", node.place,
            fmt::format("'{}' must be {}, got {}", node.path, expected, shown_value(node)), help);
}

std::optional<int64_t> checked_integer(State& state, const Node& node, const IntRange& range,
                                       const std::vector<std::string>& words) {
  return checked<int64_t>(state, node, range, "a whole number", words);
}

std::optional<double> checked_number(State& state, const Node& node, const NumberRange& range,
                                     const std::vector<std::string>& words) {
  return checked<double>(state, node, range, "a number", words);
}

std::optional<bool> checked_flag(State& state, const Node& node) {
  static constexpr std::array kTrue = {"true", "yes", "on", "y"};
  static constexpr std::array kFalse = {"false", "no", "off", "n"};
  if (node.kind == Node::Kind::kScalar && node.is_plain) {
    if (node.scalar == "true") return true;
    if (node.scalar == "false") return false;
    std::string word = lower(node.scalar);
    bool yes = std::find(kTrue.begin(), kTrue.end(), word) != kTrue.end();
    bool no = std::find(kFalse.begin(), kFalse.end(), word) != kFalse.end();
    if (yes || no) {
      state.add("R023", node.place,
                fmt::format("'{}' must be true or false, got '{}'", node.path, node.scalar),
                std::string("write ") + (yes ? "true" : "false"));
      return std::nullopt;
    }
  }
  add_wrong_type(state, node, "true or false");
  return std::nullopt;
}

std::optional<std::string> checked_choice(State& state, const Node& node,
                                          const std::vector<std::string>& names,
                                          const std::vector<std::string>& later) {
  bool is_long = names.size() > kListedWords;
  std::string expected =
      is_long ? fmt::format("one of {} words", names.size()) : quoted_list(names);
  if (node.kind != Node::Kind::kScalar) {
    add_wrong_type(state, node, expected, is_long ? "choose from " + quoted_list(names) : "");
    return std::nullopt;
  }
  if (std::find(names.begin(), names.end(), node.scalar) != names.end()) return node.scalar;
  if (std::find(later.begin(), later.end(), node.scalar) != later.end()) {
    state.add("R015", node.place,
              fmt::format("'{}: {}' is not in this version", node.path, node.scalar),
              "it takes " + quoted_list(names));
    return std::nullopt;
  }
  std::string near(find_foreign_word(node.scalar));
  if (std::find(names.begin(), names.end(), near) == names.end())
    near = nearest_name(node.scalar, names);
  std::string help = !near.empty() ? "did you mean '" + near + "'?"
                     : is_long     ? "choose from " + quoted_list(names)
                                   : "";
  state.add("R005", node.place,
            fmt::format("'{}' must be {}, got {}", node.path, expected, shown_value(node)), help);
  return std::nullopt;
}

}  // namespace slmtune
