#include <algorithm>

#include "core/internal/foreign_keys.h"
#include "core/internal/yaml_tree.h"
#include "core/text.h"

namespace slmtune {
namespace {

using Node = YamlReader::Node;
using State = YamlReader::State;

constexpr size_t kListedKeys = 12;

std::string last_part(const std::string& path) {
  return path.substr(path.rfind('.') + 1);  // npos + 1 = 0
}

bool is_known_path(const State& state, const std::string& path) {
  return state.known_paths.count(path) || state.later_paths.count(path);
}

std::string did_you_mean(const State& state, const std::vector<std::string>& paths) {
  bool is_later = paths.size() == 1 && state.later_paths.count(paths[0]);
  return "did you mean " + quoted_list(paths) +
         (is_later ? "? (this version does not have it)" : "?");
}

// Known paths of any section that end in `name`.
std::vector<std::string> same_name_elsewhere(const State& state, const std::string& name) {
  std::vector<std::string> paths;
  for (const std::string& path : state.known_paths)
    if (last_part(path) == name) paths.push_back(path);
  return paths;
}

std::string known_keys(const State& state, const Node& section) {
  std::vector<std::string> keys;
  for (const std::string& key : section.asked)
    if (!state.later_paths.count(section.path_of(key))) keys.push_back(key);
  if (keys.empty()) return "remove it";
  std::string more = keys.size() > kListedKeys ? ", …" : "";
  keys.resize(std::min(keys.size(), kListedKeys));
  std::string text;
  for (const std::string& key : keys) text += (text.empty() ? "'" : ", '") + key + "'";
  return "known keys here: " + text + more;
}

}  // namespace

std::string advice_for_unknown_key(const State& state, const Node& section,
                                   const std::string& key) {
  if (const ForeignKey* foreign = find_foreign_key(key)) {
    std::string ours(foreign->ours);
    // 'data.valid.fraction' may stand below a section of which only 'data.valid' was looked at.
    if (is_known_path(state, ours) || is_known_path(state, ours.substr(0, ours.rfind('.')))) {
      std::string note(foreign->note);
      return did_you_mean(state, {ours}) + (note.empty() ? "" : " (" + note + ")");
    }
  }
  if (auto elsewhere = same_name_elsewhere(state, key); !elsewhere.empty() && elsewhere.size() <= 3)
    return did_you_mean(state, elsewhere);
  std::vector<std::string> here(section.asked.begin(), section.asked.end());
  if (std::string near = nearest_name(key, here); !near.empty())
    return did_you_mean(state, {section.path_of(near)});
  std::vector<std::string> names;
  for (const std::string& path : state.known_paths) names.push_back(last_part(path));
  if (std::string near = nearest_name(key, names); !near.empty())
    if (auto paths = same_name_elsewhere(state, near); paths.size() <= 3)
      return did_you_mean(state, paths);
  return known_keys(state, section);
}

void add_unknown_keys(State& state, Node& node) {
  if (node.is_finished) return;
  node.is_finished = true;
  for (const Node::Entry& entry : node.entries) {
    if (!node.asked.count(entry.key)) {
      state.add("R012", entry.place, "unknown key '" + shown(node.path_of(entry.key)) + "'",
                advice_for_unknown_key(state, node, entry.key));
    } else if (!node.not_yet.count(entry.key)) {
      if (entry.value->kind == Node::Kind::kMapping && entry.value->is_section)
        add_unknown_keys(state, *entry.value);
      for (const auto& item : entry.value->items)
        if (item->is_section) add_unknown_keys(state, *item);
    }
  }
}

}  // namespace slmtune
