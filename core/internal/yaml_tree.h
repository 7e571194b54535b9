// The parsed form of a YAML text that YamlReader walks: our own nodes with places, made from
// yaml-cpp's events (its own documents hide duplicate keys and report missing ones as "bad
// conversion").
#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/yaml_reader.h"

namespace slmtune {

// Counted from 1; line 0 = not from the file. `origin` is then what stands for the place ("--set
// a=1").
struct YamlPlace {
  size_t line = 0, column = 0;
  std::string origin;
};

struct YamlReader::Node {
  enum class Kind { kNull, kScalar, kList, kMapping };
  struct Entry {
    std::string key;
    YamlPlace place;
    std::shared_ptr<Node> value;
  };

  Kind kind = Kind::kNull;
  std::string scalar;
  bool is_plain = false;  // written without quotes: may be a number or a flag
  YamlPlace place;        // of the value; sections and list items are named by `key_place`
  YamlPlace key_place;
  std::string path;  // dotted, "data.train[0].path"
  std::vector<Entry> entries;
  std::vector<std::shared_ptr<Node>> items;

  // What the readers did with this section.
  std::set<std::string> asked;    // keys that somebody knows
  std::set<std::string> not_yet;  // known, but of a later version: not looked into
  std::map<std::string, std::shared_ptr<Node>>
      absent;                // empty sections handed out for missing keys
  bool is_section = false;   // a reader was handed out for it
  bool is_finished = false;  // its unknown keys are reported

  const Entry* find(const std::string& key) const;
  bool is_null() const { return kind == Kind::kNull; }
  std::string path_of(const std::string& key) const {
    return path.empty() ? key : path + "." + key;
  }
};

struct YamlReader::State {
  struct Mistake {
    YamlPlace place;
    Diagnostic diagnostic;
  };

  std::string name;                // file
  std::vector<std::string> lines;  // for excerpts
  std::vector<Mistake> mistakes;
  std::set<std::string> known_paths;  // every dotted path asked for, without those in lists
  std::set<std::string> later_paths;  // those that this version does not have
  std::shared_ptr<Node> root;

  // Editors count letters, yaml-cpp and `column` bytes.
  size_t letters_before(const YamlPlace& place) const;
  std::string where(const YamlPlace& place) const;
  std::string excerpt(const YamlPlace& place) const;
  void add(const std::string& code, const YamlPlace& place, const std::string& what,
           const std::string& help);
};

// Parses `text` (lines in `state` must be set): R001, R002, R016-R021. Duplicate keys are added to
// the state's mistakes (R013). An empty text gives a null node. `origin` replaces places, for
// values from the command line.
std::shared_ptr<YamlReader::Node> parse_yaml(const std::string& text, YamlReader::State& state,
                                             const std::string& origin = "");

// Longest text that is parsed, in bytes; a recipe has a few thousand.
constexpr size_t kYamlLimit = 256 << 10;

// Sets the dotted paths of everything below `node`.
void set_yaml_paths(YamlReader::Node& node, const std::string& path);

// "did you mean 'lora.rank'?" for an unknown key of `section`, or the list of its known keys.
std::string advice_for_unknown_key(const YamlReader::State& state, const YamlReader::Node& section,
                                   const std::string& key);

// Adds R012 for every key below `node` that nobody asked for.
void add_unknown_keys(YamlReader::State& state, YamlReader::Node& node);

}  // namespace slmtune
