#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/internal/yaml_tree.h"
#include "core/text.h"
#include "core/yaml_reader.h"

namespace slmtune {
namespace {

using Node = YamlReader::Node;
using Kind = YamlReader::Node::Kind;

std::vector<std::string> split_key(const std::string& dotted) {
  std::vector<std::string> parts(1);
  for (char c : dotted) {
    if (c == '.')
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

// The node that `part` names below `node`, made when it is absent. U010 when there can be none.
std::shared_ptr<Node>& child(Node& node, const std::string& part, const YamlPlace& place) {
  auto refuse = [&](const std::string& what) -> UserError {
    return {"U010", place.origin, what, "write --set key=value with a dotted key of the recipe"};
  };
  if (node.kind == Kind::kList) {
    size_t index = 0;
    auto [stop, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    if (error != std::errc() || stop != part.data() + part.size() || index >= node.items.size())
      throw refuse(fmt::format("'{}' is a list of {} with no item '{}'", node.path,
                               node.items.size(), shown(part)));
    return node.items[index];
  }
  if (node.kind == Kind::kScalar) throw refuse("'" + node.path + "' is a value, not a section");
  node.kind = Kind::kMapping;
  for (Node::Entry& entry : node.entries)
    if (entry.key == part) return entry.value;
  auto made = std::make_shared<Node>();
  made->place = made->key_place = place;
  made->path = node.path_of(part);
  node.entries.push_back({part, place, made});
  return node.entries.back().value;
}

}  // namespace

void YamlReader::set(const std::string& assignment) {
  YamlPlace place{0, 0, "--set " + shown(assignment, 120)};
  size_t equals = assignment.find('=');
  std::string key = assignment.substr(0, equals);
  std::vector<std::string> parts = split_key(key);
  bool has_empty =
      std::any_of(parts.begin(), parts.end(), [](const auto& part) { return part.empty(); });
  if (equals == std::string::npos || has_empty)
    throw UserError("U010", place.origin, "this is not key=value",
                    "for example --set train.learning_rate=1e-4");
  std::shared_ptr<Node> value = parse_yaml(assignment.substr(equals + 1), *state_, place.origin);
  std::shared_ptr<Node>* target = &state_->root;
  for (const std::string& part : parts) target = &child(**target, part, place);
  value->place = value->key_place = place;
  set_yaml_paths(*value, (*target)->path);
  // The key is blamed where it was last written.
  Node* section = state_->root.get();
  for (size_t i = 0; i + 1 < parts.size(); ++i) section = child(*section, parts[i], place).get();
  for (Node::Entry& entry : section->entries)
    if (entry.key == parts.back()) entry.place = place;
  *target = std::move(value);
}

}  // namespace slmtune
