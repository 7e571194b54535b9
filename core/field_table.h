// The table of one recipe section: one row per key. From it come reading and checking, the resolved
// text of --print-recipe, docs/recipe.md, the JSON Schema and `slmtune explain KEY`. Each module
// declares the table of its own section, beside the struct that it fills:
//
//   const FieldTable<LoraConfig>& LoraConfig::fields() {
//     static const FieldTable<LoraConfig> table({
//         field(&LoraConfig::rank, {.key = "rank", .meaning = "…", .range = from_to(1, 1024)}),
//     });
//     return table;
//   }
//   LoraConfig config = LoraConfig::fields().read(yaml.section("lora"));  // mistakes: the reader
//
// A default is what the struct is made with; an optional member has none (null).
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/yaml_reader.h"

namespace slmtune {

struct FieldFacts {
  enum class Kind { kInteger, kNumber, kFlag, kText, kTexts, kSection, kSections, kLater };

  std::string key;
  std::string meaning;                  // one line: "rows of one optimiser step"
  std::string unit = {};                // "tokens"; empty = none
  NumberRange range = {};               // of kInteger and kNumber
  std::vector<std::string> words = {};  // all that texts may be; numbers: taken in place of one
  std::vector<std::string> later = {};  // words that this version does not have yet
  std::string example = {};             // as YAML; empty = the default
  bool is_required = false;
  bool is_alternative = false;  // stands for another key: a comment in the example recipe
  bool is_one_or_many = false;  // lists: a single one stands for a list of one
  bool is_or_path = false;      // sections: a text stands for {path: text}

  // Filled in by field() and its relatives.
  Kind kind = Kind::kText;
  std::string fallback = {};            // the default as YAML; empty = there is none
  std::vector<FieldFacts> fields = {};  // of sections
};

// The types that a member may have; R003, R004, R005, R015, R022, R023 go to the reader.
void read_field(YamlReader& yaml, const FieldFacts& facts, int64_t& value);
void read_field(YamlReader& yaml, const FieldFacts& facts, uint64_t& value);
void read_field(YamlReader& yaml, const FieldFacts& facts, double& value);
void read_field(YamlReader& yaml, const FieldFacts& facts, bool& value);
void read_field(YamlReader& yaml, const FieldFacts& facts, std::string& value);
void read_field(YamlReader& yaml, const FieldFacts& facts, std::filesystem::path& value);
void read_field(YamlReader& yaml, const FieldFacts& facts, std::vector<std::string>& value);
void read_field(YamlReader& yaml, const FieldFacts& facts, std::optional<int64_t>& value);
void read_field(YamlReader& yaml, const FieldFacts& facts, std::optional<double>& value);
void read_field(YamlReader& yaml, const FieldFacts& facts, std::optional<std::string>& value);

// Values as YAML on one line.
std::string yaml_text(int64_t value);
std::string yaml_text(uint64_t value);
std::string yaml_text(double value);
std::string yaml_text(bool value);
std::string yaml_text(const std::string& value);  // quoted where YAML would read something else
std::string yaml_text(const std::filesystem::path& value);
std::string yaml_text(const std::vector<std::string>& value);

template <typename Value>
std::string field_text(const FieldFacts& facts, const Value& value) {
  if constexpr (std::is_same_v<Value, std::vector<std::string>>)
    return facts.is_one_or_many && value.size() == 1 ? yaml_text(value[0]) : yaml_text(value);
  else
    return yaml_text(value);
}

template <typename Value>
std::string field_text(const FieldFacts& facts, const std::optional<Value>& value) {
  if (value) return yaml_text(*value);
  bool has_word = facts.kind != FieldFacts::Kind::kText && !facts.words.empty();
  return has_word ? facts.words.front() : "null";
}

FieldFacts::Kind field_kind(const int64_t*);
FieldFacts::Kind field_kind(const uint64_t*);
FieldFacts::Kind field_kind(const double*);
FieldFacts::Kind field_kind(const bool*);
FieldFacts::Kind field_kind(const std::string*);
FieldFacts::Kind field_kind(const std::filesystem::path*);
FieldFacts::Kind field_kind(const std::vector<std::string>*);

template <typename Value>
FieldFacts::Kind field_kind(const std::optional<Value>*) {
  return field_kind(static_cast<const Value*>(nullptr));
}

template <typename Config>
struct Field {
  FieldFacts facts;
  std::function<void(YamlReader&, Config&)> read;
  // As YAML: on one line, or lines that each begin with a line end. Empty: the key is left out.
  std::function<std::string(const Config&)> text;
};

template <typename Config>
class FieldTable {
 public:
  using Check = void (*)(Config&, YamlReader&);

  // `check` runs after all keys are read, for what concerns several of them.
  explicit FieldTable(std::vector<Field<Config>> fields, Check check = nullptr)
      : fields_(std::move(fields)), check_(check) {
    const Config defaults{};
    for (Field<Config>& field : fields_) {
      if (!field.facts.fallback.empty() || field.facts.is_required || !field.text) continue;
      std::string text = field.text(defaults);
      if (text.find('\n') == std::string::npos) field.facts.fallback = std::move(text);
    }
  }

  Config read(YamlReader section) const {
    Config config{};
    for (const Field<Config>& field : fields_) field.read(section, config);
    if (check_) check_(config, section);
    return config;
  }

  // "key: value" lines.
  std::string block(const Config& config, size_t indent) const {
    std::string text;
    for (const auto& [key, value] : values(config))
      text.append(indent, ' ')
          .append(key)
          .append(value[0] == '\n' ? ":" : ": ")
          .append(value + "\n");
    return text;
  }

  // "{key: value, key: value}"
  std::string flow(const Config& config) const {
    std::string text;
    for (const auto& [key, value] : values(config))
      text.append(text.empty() ? "" : ", ").append(key).append(": ").append(value);
    return "{" + text + "}";
  }

  std::vector<FieldFacts> facts() const {
    std::vector<FieldFacts> all;
    for (const Field<Config>& field : fields_) all.push_back(field.facts);
    return all;
  }

  // Key and value as YAML, in the order of the table; keys that are left out are absent.
  std::vector<std::pair<std::string, std::string>> values(const Config& config) const {
    std::vector<std::pair<std::string, std::string>> result;
    for (const Field<Config>& field : fields_)
      if (std::string value = field.text ? field.text(config) : ""; !value.empty())
        result.emplace_back(field.facts.key, std::move(value));
    return result;
  }

 private:
  std::vector<Field<Config>> fields_;
  Check check_;
};

// A key whose value is a member of the struct.
template <typename Config, typename Value>
Field<Config> field(Value Config::*member, FieldFacts facts) {
  facts.kind = field_kind(static_cast<const Value*>(nullptr));
  return {facts,
          [member, facts](YamlReader& yaml, Config& config) {
            read_field(yaml, facts, config.*member);
          },
          [member, facts](const Config& config) { return field_text(facts, config.*member); }};
}

// A section with a table of its own, at the top level of the recipe.
template <typename Config, typename Part>
Field<Config> section_field(Part Config::*member, const FieldTable<Part>& table, FieldFacts facts) {
  facts.kind = FieldFacts::Kind::kSection;
  facts.fields = table.facts();
  const std::string key = facts.key;
  return {std::move(facts),
          [member, key, &table](YamlReader& yaml, Config& config) {
            config.*member = table.read(yaml.section(key));
          },
          [member, &table](const Config& config) {
            std::string text = "\n" + table.block(config.*member, 2);
            text.pop_back();
            return text;
          }};
}

// A key of the contract that this version does not have: R015 when it is given.
template <typename Config>
Field<Config> later_field(const std::string& key, const std::string& meaning) {
  FieldFacts facts{.key = key, .meaning = meaning};
  facts.kind = FieldFacts::Kind::kLater;
  return {std::move(facts), [key](YamlReader& yaml, Config&) { yaml.not_yet(key); }, nullptr};
}

}  // namespace slmtune
