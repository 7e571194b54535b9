#include "core/yaml_reader.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <sstream>
#include <tuple>

#include "core/atomic_file.h"
#include "core/internal/yaml_tree.h"
#include "core/internal/yaml_values.h"

namespace slmtune {

using Node = YamlReader::Node;
using State = YamlReader::State;
using Kind = YamlReader::Node::Kind;

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
    text = read_text_file(path, kYamlLimit);
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
                           : "the file holds " + shown_value(*state->root) + " instead of keys";
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

// A word that may stand in place of a number.
bool is_word(const Node& value, const std::vector<std::string>& words) {
  return value.kind == Kind::kScalar &&
         std::find(words.begin(), words.end(), value.scalar) != words.end();
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

std::optional<int64_t> YamlReader::optional_integer(const std::string& key, IntRange range,
                                                    const std::vector<std::string>& words) {
  Node* value = ask(*state_, *node_, key);
  if (!value || is_word(*value, words)) return std::nullopt;
  return checked_integer(*state_, *value, range, words);
}

int64_t YamlReader::integer(const std::string& key, int64_t fallback, IntRange range) {
  return optional_integer(key, range).value_or(fallback);
}

std::optional<double> YamlReader::optional_number(const std::string& key, NumberRange range,
                                                  const std::vector<std::string>& words) {
  Node* value = ask(*state_, *node_, key);
  if (!value || is_word(*value, words)) return std::nullopt;
  return checked_number(*state_, *value, range, words);
}

double YamlReader::number(const std::string& key, double fallback, NumberRange range) {
  return optional_number(key, range).value_or(fallback);
}

bool YamlReader::flag(const std::string& key, bool fallback) {
  Node* value = ask(*state_, *node_, key);
  return value ? checked_flag(*state_, *value).value_or(fallback) : fallback;
}

std::optional<std::string> YamlReader::optional_text(const std::string& key) {
  Node* value = ask(*state_, *node_, key);
  if (!value) return std::nullopt;
  if (value->kind == Kind::kScalar) return value->scalar;
  add_wrong_type(*state_, *value, "a text");
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
                               const std::vector<std::string>& names,
                               const std::vector<std::string>& later) {
  Node* value = ask(*state_, *node_, key);
  return value ? checked_choice(*state_, *value, names, later).value_or(fallback) : fallback;
}

std::vector<std::string> YamlReader::texts(const std::string& key,
                                           const std::vector<std::string>& fallback,
                                           const std::vector<std::string>& names) {
  Node* value = ask(*state_, *node_, key);
  if (!value) return fallback;
  if (value->kind != Kind::kList) {
    add_wrong_type(*state_, *value, "a list of texts", "write it as [a, b]");
    return fallback;
  }
  std::vector<std::string> result;
  for (const auto& item : value->items) {
    if (item->kind != Kind::kScalar)
      add_wrong_type(*state_, *item, "a text");
    else if (names.empty() || checked_choice(*state_, *item, names))
      result.push_back(item->scalar);
  }
  return result;
}

std::vector<double> YamlReader::numbers(const std::string& key) {
  Node* value = ask(*state_, *node_, key);
  if (!value) return {};
  if (value->kind != Kind::kList) {
    add_wrong_type(*state_, *value, "a list of numbers", "write it as [1, 2]");
    return {};
  }
  std::vector<double> result;
  for (const auto& item : value->items)
    if (auto number = checked_number(*state_, *item, {})) result.push_back(*number);
  return result;
}

YamlReader YamlReader::section(const std::string& key) {
  Node* value = ask(*state_, *node_, key);
  if (value && value->kind == Kind::kMapping) return {state_, node_->find(key)->value};
  if (value) add_wrong_type(*state_, *value, "a section of keys");
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
    add_wrong_type(*state_, *value, "a section or a list of sections");
    return result;
  }
  for (const auto& item : value->items) {
    if (item->kind == Kind::kMapping)
      result.push_back(YamlReader(state_, item));
    else
      add_wrong_type(*state_, *item, "a section of keys");
  }
  return result;
}

std::vector<std::string> YamlReader::keys() const {
  std::vector<std::string> names;
  for (const Node::Entry& entry : node_->entries) names.push_back(entry.key);
  return names;
}

namespace {

// Of a key, of an item of its list ("train[1]"), or of the section.
const YamlPlace& place_for(const Node& section, const std::string& key) {
  size_t bracket = key.find('[');
  const Node::Entry* entry = key.empty() ? nullptr : section.find(key.substr(0, bracket));
  if (!entry) return section.key_place;
  size_t item = bracket == std::string::npos ? entry->value->items.size()
                                             : std::stoul(key.substr(bracket + 1));
  return item < entry->value->items.size() ? entry->value->items[item]->place : entry->place;
}

}  // namespace

void YamlReader::mistake(const std::string& code, const std::string& key, const std::string& what,
                         const std::string& help) {
  state_->add(code, place_for(*node_, key), what, help);
}

void YamlReader::wrong_value(const std::string& code, const std::string& key,
                             const std::string& what, const std::string& help) {
  const Node::Entry* entry = node_->find(key);
  state_->add(code, entry ? entry->value->place : node_->key_place, what, help);
}

void YamlReader::conflict(const std::string& key, const std::string& other, const std::string& what,
                          const std::string& help) {
  state_->add("R007", place_for(*node_, key), what,
              other.empty() ? help : "the other one stands at " + other + "; " + help);
}

std::string YamlReader::where(const std::string& key) const {
  return state_->where(place_for(*node_, key));
}

const std::string& YamlReader::path() const {
  return node_->path;
}

void YamlReader::not_yet(const std::string& key) {
  node_->asked.insert(key);
  node_->not_yet.insert(key);
  state_->later_paths.insert(node_->path_of(key));
  if (has(key))
    mistake("R015", key, "'" + node_->path_of(key) + "' is not in this version", "remove it");
}

void YamlReader::know(const std::string& path) {
  state_->known_paths.insert(path);
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
  // A key that is asked for twice is wrong twice.
  auto is_same = [](const State::Mistake& a, const State::Mistake& b) {
    return a.diagnostic.where == b.diagnostic.where && a.diagnostic.what == b.diagnostic.what;
  };
  state_->mistakes.erase(std::unique(state_->mistakes.begin(), state_->mistakes.end(), is_same),
                         state_->mistakes.end());
  std::vector<Diagnostic> diagnostics;
  for (State::Mistake& mistake : state_->mistakes)
    diagnostics.push_back(std::move(mistake.diagnostic));
  state_->mistakes.clear();
  throw UserError(std::move(diagnostics));
}

}  // namespace slmtune
