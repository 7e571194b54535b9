#include "store/snapshot_diff.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "core/atomic_file.h"

namespace slmtune::store {
namespace {

namespace fs = std::filesystem;

using Table = std::map<std::string, std::string>;

std::vector<Difference> differences(const Table& left, const Table& right, bool with_equal) {
  auto value = [](const Table& table, const std::string& name) {
    auto found = table.find(name);
    return found == table.end() ? std::string() : found->second;
  };
  std::set<std::string> names;
  for (const Table* table : {&left, &right})
    for (const auto& [name, text] : *table) names.insert(name);
  std::vector<Difference> result;
  for (const std::string& name : names) {
    Difference one{name, value(left, name), value(right, name)};
    if (with_equal || one.left != one.right) result.push_back(std::move(one));
  }
  return result;
}

Table origin_of(const Manifest& manifest) {
  Table origin = {{"method", manifest.method},
                  {"parent", manifest.parent},
                  {"base", manifest.base_path},
                  {"version", manifest.program_version}};
  for (const auto& [name, hash] : manifest.hashes)
    if (name != "recipe") origin[name + " hash"] = hash;
  return origin;
}

Table scores_of(const Manifest& manifest) {
  Table scores;
  for (const auto& [name, value] : manifest.metrics.items())
    if (name != "schema" && value.is_number()) scores[name] = value.dump();
  return scores;
}

std::vector<Difference> file_differences(const Manifest& left, const Manifest& right) {
  Table sizes[2], hashes[2];
  const Manifest* sides[2] = {&left, &right};
  for (int side = 0; side < 2; ++side)
    for (const auto& [name, record] : sides[side]->files) {
      sizes[side][name] = std::to_string(record.bytes);
      hashes[side][name] = record.sha256;
    }
  std::vector<Difference> result = differences(hashes[0], hashes[1], false);
  for (Difference& one : result) {
    const auto here = sizes[0].find(one.name), there = sizes[1].find(one.name);
    const bool both = here != sizes[0].end() && there != sizes[1].end();
    if (both && here->second == there->second) continue;  // the hashes tell them apart
    one.left = here == sizes[0].end() ? "" : here->second + " bytes";
    one.right = there == sizes[1].end() ? "" : there->second + " bytes";
  }
  return result;
}

Table recipe_of(const fs::path& folder) {
  std::error_code ignored;
  const fs::path path = folder / kRecipeName;
  return fs::exists(path, ignored) ? flat_recipe(read_text_file(path, 4 << 20)) : Table();
}

}  // namespace

std::map<std::string, std::string> flat_recipe(const std::string& text) {
  Table flat;
  std::istringstream lines(text);
  std::string section, list;
  int64_t item = 0;
  for (std::string line; std::getline(lines, line);) {
    const size_t indent = std::min(line.find_first_not_of(' '), line.size());
    const std::string body = line.substr(indent);
    if (body.empty() || body[0] == '#') continue;
    if (indent == 0) section.clear();
    if (body.starts_with("- ")) {
      flat[list + "[" + std::to_string(item++) + "]"] = body.substr(2);
      continue;
    }
    const size_t colon = std::min(body.find(':'), body.size());
    const std::string name = section + body.substr(0, colon);
    const size_t start = std::min(body.find_first_not_of(' ', colon + 1), body.size());
    if (start < body.size()) {
      flat[name] = body.substr(start);
      continue;
    }
    list = name;
    item = 0;
    if (indent == 0) section = name + ".";
  }
  return flat;
}

SnapshotDiff diff_snapshots(const fs::path& left, const fs::path& right) {
  const Manifest a = read_manifest(left), b = read_manifest(right);
  SnapshotDiff diff;
  diff.is_same_content = content_hash(a.files) == content_hash(b.files);
  diff.origin = differences(origin_of(a), origin_of(b), false);
  const Table settings[2] = {recipe_of(left), recipe_of(right)};
  if (!settings[0].empty() && !settings[1].empty())
    diff.settings = differences(settings[0], settings[1], false);
  diff.scores = differences(scores_of(a), scores_of(b), true);
  diff.files = file_differences(a, b);
  return diff;
}

}  // namespace slmtune::store
