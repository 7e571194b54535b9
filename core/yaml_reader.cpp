#include "core/yaml_reader.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <sstream>
#include <tuple>

#include "core/atomic_file.h"
#include "core/internal/yaml_tree.h"
#include "core/text.h"

namespace slmtune {
namespace {

using Node = YamlReader::Node;
using State = YamlReader::State;
using Kind = YamlReader::Node::Kind;

constexpr uint64_t kFileLimit = 4ull << 20;

std::string got(const Node& node) {
  if (node.kind == Kind::kList) return "a list";
  if (node.kind == Kind::kMapping) return "a section";
  if (node.kind == Kind::kNull) return "nothing";
  return (node.is_plain ? "'" : "the text '") + shown(node.scalar, 60) + "'";
}

void wrong_type(State& state, const Node& node, const std::string& expected,
                const std::string& help = "") {
  state.add("R003", node.place,
            fmt::format("'{}' must be {}, got {}", node.path, expected, got(node)), help);
}

template <typename Number>
std::string range_text(Number low, Number high, bool has_low, bool has_high) {
  if (has_low && has_high) return fmt::format("from {} to {}", low, high);
  return has_low ? fmt::format("at least {}", low) : fmt::format("at most {}", high);
}

// from_chars takes no leading '+'.
const char* skip_plus(const std::string& text) {
  return text.data() + (text.size() > 1 && text[0] == '+' && text[1] != '-' ? 1 : 0);
}

template <typename Number>
std::errc parse_number(const std::string& text, Number& value) {
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(skip_plus(text), end, value);
  return error == std::errc() && stop != end                      ? std::errc::invalid_argument
         : error == std::errc::result_out_of_range && stop != end ? std::errc::invalid_argument
                                                                  : error;
}

bool is_infinite(int64_t) {
  return false;
}
bool is_infinite(double value) {
  return !std::isfinite(value);
}

// Parses and checks a scalar; adds the mistake and returns nothing when it does not fit.
template <typename Number>
std::optional<Number> checked_number(State& state, const Node& node, Number low, Number high,
                                     const std::string& expected) {
  Number value{};
  std::errc error = node.kind == Kind::kScalar && node.is_plain ? parse_number(node.scalar, value)
                                                                : std::errc::invalid_argument;
  if (error == std::errc::invalid_argument || is_infinite(value)) {
    bool quoted = node.kind == Kind::kScalar && !node.is_plain &&
                  parse_number(node.scalar, value) == std::errc();
    wrong_type(state, node, expected, quoted ? "remove the quotes" : "");
    return std::nullopt;
  }
  if (error == std::errc() && value >= low && value <= high) return value;
  using Limits = std::numeric_limits<Number>;
  bool has_low = low != Limits::lowest() && !is_infinite(low),
       has_high = high != Limits::max() && !is_infinite(high);
  std::string range = has_low || has_high ? "must be " + range_text(low, high, has_low, has_high)
                                          : "is too large or too small";
  state.add("R004", node.place,
            fmt::format("'{}' {}, got {}", node.path, range, shown(node.scalar, 60)), "");
  return std::nullopt;
}

}  // namespace

YamlReader::YamlReader(std::shared_ptr<State> state, std::shared_ptr<Node> node)
    : state_(std::move(state)), node_(std::move(node)) {
  node_->is_section = true;
}

YamlReader YamlReader::from_file(const std::filesystem::path& path) {
  struct stat status;
  if (stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode))
    throw UserError("R001", path.string(), "this is a folder, not a recipe",
                    "name the YAML file in it");
  std::string text;
  try {
    text = read_text_file(path, kFileLimit);
  } catch (const UserError&) {
    throw;  // N001 says it already
  } catch (const Error& error) {
    throw UserError("R001", path.string(), error.diagnostics().front().what,
                    error.diagnostics().front().help);
  }
  return from_string(text, path.string());
}

YamlReader YamlReader::from_string(const std::string& source, const std::string& name) {
  // Without the byte order mark that some editors write, offsets are those of the text.
  const std::string text = source.starts_with("\xef\xbb\xbf") ? source.substr(3) : source;
  auto state = std::make_shared<State>();
  state->name = name;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    state->lines.push_back(line);
  }
  state->root = parse_yaml(text, *state);
  if (state->root->kind != Kind::kMapping) {
    std::string what = state->root->is_null()
                           ? "the file is empty"
                           : "the file holds " + got(*state->root) + " instead of keys";
    throw UserError("R014", name, what, "write 'key: value' lines, as the files in recipes/ do");
  }
  set_yaml_paths(*state->root, "");
  state->root->place = state->root->key_place = {};  // the root is the file
  return {state, state->root};
}

namespace {

// Looks a key up and remembers that somebody knows it. nullptr when it is absent or null.
Node* ask(State& state, Node& section, const std::string& key) {
  section.asked.insert(key);
  if (section.path.find('[') == std::string::npos) state.known_paths.insert(section.path_of(key));
  const Node::Entry* entry = section.find(key);
  return entry && !entry->value->is_null() ? entry->value.get() : nullptr;
}

const Node* peek(const Node& section, const std::string& key) {
  const Node::Entry* entry = section.find(key);
  return entry && !entry->value->is_null() ? entry->value.get() : nullptr;
}

}  // namespace

bool YamlReader::has(const std::string& key) const {
  return peek(*node_, key) != nullptr;
}

bool YamlReader::is_section(const std::string& key) const {
  const Node* value = peek(*node_, key);
  return value && value->kind == Kind::kMapping;
}

bool YamlReader::is_list(const std::string& key) const {
  const Node* value = peek(*node_, key);
  return value && value->kind == Kind::kList;
}

bool YamlReader::is_list_of_sections(const std::string& key) const {
  const Node* value = peek(*node_, key);
  return value && value->kind == Kind::kList && !value->items.empty() &&
         value->items[0]->kind == Kind::kMapping;
}

bool YamlReader::is_text(const std::string& key, const std::string& text) const {
  const Node* value = peek(*node_, key);
  return value && value->kind == Kind::kScalar && value->scalar == text;
}

std::optional<int64_t> YamlReader::optional_integer(const std::string& key, IntRange range) {
  Node* value = ask(*state_, *node_, key);
  if (!value) return std::nullopt;
  return checked_number<int64_t>(*state_, *value, range.low, range.high, "a whole number");
}

int64_t YamlReader::integer(const std::string& key, int64_t fallback, IntRange range) {
  return optional_integer(key, range).value_or(fallback);
}

std::optional<double> YamlReader::optional_number(const std::string& key, NumberRange range) {
  Node* value = ask(*state_, *node_, key);
  if (!value) return std::nullopt;
  return checked_number<double>(*state_, *value, range.low, range.high, "a number");
}

double YamlReader::number(const std::string& key, double fallback, NumberRange range) {
  return optional_number(key, range).value_or(fallback);
}

bool YamlReader::flag(const std::string& key, bool fallback) {
  Node* value = ask(*state_, *node_, key);
  if (!value) return fallback;
  if (value->kind == Kind::kScalar && value->is_plain) {
    if (value->scalar == "true" || value->scalar == "yes") return true;
    if (value->scalar == "false" || value->scalar == "no") return false;
  }
  wrong_type(*state_, *value, "true or false");
  return fallback;
}

std::optional<std::string> YamlReader::optional_text(const std::string& key) {
  Node* value = ask(*state_, *node_, key);
  if (!value) return std::nullopt;
  if (value->kind == Kind::kScalar) return value->scalar;
  wrong_type(*state_, *value, "a text");
  return std::nullopt;
}

std::string YamlReader::text(const std::string& key, const std::string& fallback) {
  return optional_text(key).value_or(fallback);
}

std::string YamlReader::required_text(const std::string& key) {
  if (!ask(*state_, *node_, key))
    state_->add(
        "R006", node_->key_place, "'" + node_->path_of(key) + "' is missing",
        "add '" + key + ": …'" + (node_->path.empty() ? "" : " to section '" + node_->path + "'"));
  return text(key, "");
}

std::string YamlReader::choice(const std::string& key, const std::string& fallback,
                               const std::vector<std::string>& names) {
  Node* value = ask(*state_, *node_, key);
  if (!value) return fallback;
  if (value->kind != Kind::kScalar) {
    wrong_type(*state_, *value, quoted_list(names));
    return fallback;
  }
  if (std::find(names.begin(), names.end(), value->scalar) != names.end()) return value->scalar;
  std::string near = nearest_name(value->scalar, names);
  state_->add("R005", value->place,
              fmt::format("'{}' must be {}, got {}", value->path, quoted_list(names), got(*value)),
              near.empty() ? "" : "did you mean '" + near + "'?");
  return fallback;
}

std::vector<std::string> YamlReader::texts(const std::string& key,
                                           const std::vector<std::string>& fallback) {
  Node* value = ask(*state_, *node_, key);
  if (!value) return fallback;
  if (value->kind != Kind::kList) {
    wrong_type(*state_, *value, "a list of texts", "write it as [a, b]");
    return fallback;
  }
  std::vector<std::string> result;
  for (const auto& item : value->items) {
    if (item->kind == Kind::kScalar)
      result.push_back(item->scalar);
    else
      wrong_type(*state_, *item, "a text");
  }
  return result;
}

std::vector<double> YamlReader::numbers(const std::string& key) {
  Node* value = ask(*state_, *node_, key);
  if (!value) return {};
  if (value->kind != Kind::kList) {
    wrong_type(*state_, *value, "a list of numbers", "write it as [1, 2]");
    return {};
  }
  std::vector<double> result;
  NumberRange any;
  for (const auto& item : value->items)
    if (auto number = checked_number<double>(*state_, *item, any.low, any.high, "a number"))
      result.push_back(*number);
  return result;
}

YamlReader YamlReader::section(const std::string& key) {
  Node* value = ask(*state_, *node_, key);
  if (value && value->kind == Kind::kMapping) return {state_, node_->find(key)->value};
  if (value) wrong_type(*state_, *value, "a section of keys");
  std::shared_ptr<Node>& empty = node_->absent[key];
  if (!empty) {
    empty = std::make_shared<Node>();
    empty->kind = Kind::kMapping;
    empty->path = node_->path_of(key);
    const Node::Entry* entry = node_->find(key);
    empty->place = empty->key_place = entry ? entry->place : node_->key_place;
  }
  return {state_, empty};
}

std::vector<YamlReader> YamlReader::sections(const std::string& key) {
  Node* value = ask(*state_, *node_, key);
  std::vector<YamlReader> result;
  if (!value) return result;
  if (value->kind == Kind::kMapping) return {YamlReader(state_, node_->find(key)->value)};
  if (value->kind != Kind::kList) {
    wrong_type(*state_, *value, "a section or a list of sections");
    return result;
  }
  for (const auto& item : value->items) {
    if (item->kind == Kind::kMapping)
      result.push_back(YamlReader(state_, item));
    else
      wrong_type(*state_, *item, "a section of keys");
  }
  return result;
}

std::vector<std::string> YamlReader::keys() const {
  std::vector<std::string> names;
  for (const Node::Entry& entry : node_->entries) names.push_back(entry.key);
  return names;
}

namespace {

const YamlPlace& place_for(const Node& section, const std::string& key) {
  const Node::Entry* entry = key.empty() ? nullptr : section.find(key);
  return entry ? entry->place : section.key_place;
}

}  // namespace

void YamlReader::mistake(const std::string& code, const std::string& key, const std::string& what,
                         const std::string& help) {
  state_->add(code, place_for(*node_, key), what, help);
}

std::string YamlReader::where(const std::string& key) const {
  return state_->where(place_for(*node_, key));
}

const std::string& YamlReader::path() const {
  return node_->path;
}

void YamlReader::accept(const std::string& key) {
  node_->asked.insert(key);
  node_->accepted.insert(key);
  state_->known_paths.insert(node_->path_of(key));
  state_->accepted_paths.insert(node_->path_of(key));
}

void YamlReader::finish() {
  add_unknown_keys(*state_, *node_);
  if (node_ != state_->root || state_->mistakes.empty()) return;
  auto order = [](const State::Mistake& a, const State::Mistake& b) {
    // What came from the command line follows what stands in the file.
    return std::tuple(!a.place.origin.empty(), a.place.line, a.place.column) <
           std::tuple(!b.place.origin.empty(), b.place.line, b.place.column);
  };
  std::stable_sort(state_->mistakes.begin(), state_->mistakes.end(), order);
  std::vector<Diagnostic> diagnostics;
  for (State::Mistake& mistake : state_->mistakes)
    diagnostics.push_back(std::move(mistake.diagnostic));
  state_->mistakes.clear();
  throw UserError(std::move(diagnostics));
}

}  // namespace slmtune
