// Typed, strict reading of YAML with places. Each module parses its own section:
//
//   YamlReader yaml = YamlReader::from_file("recipes/faq.yaml");      // R001 unreadable, R002 not YAML
//   YamlReader lora = yaml.section("lora");
//   config.rank = lora.integer("rank", 16, {1, 1024});
//   yaml.finish();                                                    // throws UserError with *all* mistakes at once
//
// Mistakes (wrong type R003, out of range R004, not one of the choices R005, missing R006, unknown key R012, duplicate
// key R013, not in this version R015, not finite R022, yes for true R023) are collected in the root and shared by every
// section; the value returned meanwhile is the default.
// A key that nothing asked for by the time of finish() is unknown, and the nearest asked-for key is suggested.
#pragma once
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace slmtune {

struct IntRange {
  int64_t low = std::numeric_limits<int64_t>::min();
  int64_t high = std::numeric_limits<int64_t>::max();
};
struct NumberRange {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool is_low_open = false, is_high_open = false;  // the end itself lies outside
};
inline NumberRange from_to(double low, double high) { return {low, high}; }
inline NumberRange above_to(double low, double high) { return {low, high, true}; }
inline NumberRange from_below(double low, double high) { return {low, high, false, true}; }

// "from 0 to 1", "above 0 and at most 1", "at least 0"; empty without limits.
std::string range_text(const NumberRange& range);

class YamlReader {
 public:
  // Errors: N001 missing file, R001 unreadable or over 256 KiB, R002 syntax, R013 duplicate key, R014 root is no
  // mapping, R016 anchor or alias, R017 tag, R018 second document, R019 too deep or too many values, R020 tab, R021 byte
  // that is no text.
  static YamlReader from_file(const std::filesystem::path& path);
  static YamlReader from_string(const std::string& text, const std::string& name);

  // `--set a.b=value`: value is parsed as YAML; applied before anything is read. U010 when the form is wrong.
  void set(const std::string& assignment);

  bool has(const std::string& key) const;   // present and not null; does not count as asking for it
  bool is_section(const std::string& key) const;
  bool is_list(const std::string& key) const;
  bool is_list_of_sections(const std::string& key) const;  // a list whose first item is a mapping
  bool is_text(const std::string& key, const std::string& value) const;  // scalar equal to `value`, e.g. "auto"

  int64_t integer(const std::string& key, int64_t fallback, IntRange range = {});
  // null, absent or one of `words` ("auto"): nullopt
  std::optional<int64_t> optional_integer(const std::string& key, IntRange range = {},
                                          const std::vector<std::string>& words = {});
  double number(const std::string& key, double fallback, NumberRange range = {});
  std::optional<double> optional_number(const std::string& key, NumberRange range = {},
                                        const std::vector<std::string>& words = {});
  bool flag(const std::string& key, bool fallback);
  std::string text(const std::string& key, const std::string& fallback);
  std::optional<std::string> optional_text(const std::string& key);
  std::string required_text(const std::string& key);
  // `later`: names that a future version will take (R015).
  std::string choice(const std::string& key, const std::string& fallback, const std::vector<std::string>& names,
                     const std::vector<std::string>& later = {});
  // List of scalars; with `names` each must be one of them.
  std::vector<std::string> texts(const std::string& key, const std::vector<std::string>& fallback,
                                 const std::vector<std::string>& names = {});
  std::vector<double> numbers(const std::string& key);

  // A mapping under `key`; absent or null gives an empty section (so that defaults apply).
  YamlReader section(const std::string& key);
  // A list of mappings under `key`; a single mapping counts as a list of one; absent gives none.
  std::vector<YamlReader> sections(const std::string& key);
  std::vector<std::string> keys() const;

  // Adds a mistake at `key` of this section (empty key: the section itself; "train[1]": an item of the list).
  void mistake(const std::string& code, const std::string& key, const std::string& what, const std::string& help = "");
  // The same at the value of `key`.
  void wrong_value(const std::string& code, const std::string& key, const std::string& what, const std::string& help = "");
  // R007 at `key`, which does not go together with what stands at `other` (of where(), empty when it has no place).
  void conflict(const std::string& key, const std::string& other, const std::string& what, const std::string& help);
  // "recipes/my.yaml:14:3" of `key` (or of the section).
  std::string where(const std::string& key = "") const;
  // Dotted path of this section, "" for the root.
  const std::string& path() const;

  // Declares a key that this version does not have: R015 when it is there.
  void not_yet(const std::string& key);
  // Declares a dotted path of the whole file known, for the advice on unknown keys.
  void know(const std::string& path);

  // Root or section: reports unknown keys below it, then (root only) throws UserError with all mistakes if any.
  void finish();

  struct State;
  struct Node;

 private:
  YamlReader(std::shared_ptr<State> state, std::shared_ptr<Node> node);
  std::shared_ptr<State> state_;  // source text, collected mistakes: shared by all sections
  std::shared_ptr<Node> node_;    // this mapping and the keys asked for
};

}  // namespace slmtune
