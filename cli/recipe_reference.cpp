#include "cli/recipe_reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "cli/recipe.h"

namespace slmtune::cli {
namespace {

using Kind = FieldFacts::Kind;

void add_keys(std::vector<RecipeKey>& keys, const std::vector<FieldFacts>& fields,
              const std::string& above) {
  for (const FieldFacts& field : fields) {
    keys.push_back({above + field.key, field});
    add_keys(keys, field.fields, above + field.key + ".");
  }
}

std::string joined(const std::vector<std::string>& words, const std::string& around) {
  std::string text;
  for (const std::string& word : words)
    text.append(text.empty() ? "" : ", ").append(around).append(word).append(around);
  return text;
}

bool is_section(const FieldFacts& facts) {
  return facts.kind == Kind::kSection || facts.kind == Kind::kSections;
}

// A '|' would end the cell.
std::string cell(std::string text) {
  for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2)
    text.insert(at, "\\");
  return text;
}

std::string code(const std::string& text) {
  return text.empty() ? "" : "`" + text + "`";
}

std::string table_row(const std::string& key, const FieldFacts& facts) {
  bool has_words = facts.kind == Kind::kText || facts.kind == Kind::kTexts;
  std::string limits = has_words ? joined(facts.words, "`") : limits_text(facts);
  std::string fallback = facts.is_required ? "required" : code(facts.fallback);
  std::string example = is_section(facts) ? "" : code(facts.key + ": " + example_text(facts));
  return fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", code(key), type_text(facts),
                     cell(limits), facts.unit, fallback, cell(facts.meaning), cell(example));
}

std::string sentence(std::string text) {
  text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

constexpr const char* kTableHead =
    "| key | type | range or words | unit | default | meaning | example |\n"
    "|---|---|---|---|---|---|---|\n";

void add_rows(std::string& text, const std::vector<FieldFacts>& fields, const std::string& above) {
  for (const FieldFacts& field : fields) {
    if (field.kind == Kind::kLater) continue;
    text += table_row(above + field.key, field);
    add_rows(text, field.fields, above + field.key + ".");
  }
}

std::string tables() {
  std::string text = "## Top level\n\n" + std::string(kTableHead), sections;
  for (const FieldFacts& field : Recipe::fields().facts()) {
    if (field.kind == Kind::kLater) continue;
    if (!is_section(field)) {
      text += table_row(field.key, field);
      continue;
    }
    text +=
        fmt::format("| [`{0}`](#{0}) | {1} |  |  | {2} | {3} |  |\n", field.key, type_text(field),
                    field.is_required ? "required" : code(field.fallback), cell(field.meaning));
    sections += fmt::format("\n## {}\n\n{}.\n\n{}", field.key, sentence(field.meaning), kTableHead);
    add_rows(sections, field.fields, "");
  }
  return text + sections;
}

std::string later_list() {
  std::string text;
  for (const auto& [path, facts] : recipe_keys()) {
    if (facts.kind == Kind::kLater) text += fmt::format("- `{}`: {}\n", path, facts.meaning);
    if (auto words = later_words(facts); !words.empty())
      text += fmt::format("- `{}`: the words {}\n", path, joined(words, "`"));
  }
  return text;
}

std::string example_entry(const FieldFacts& list) {
  std::string text, other;
  for (const FieldFacts& field : list.fields) {
    std::string pair = field.key + ": " + example_text(field);
    if (field.is_alternative)
      other += "  # or {" + pair + "}";
    else
      text.append(text.empty() ? "" : ", ").append(pair);
  }
  return "{" + text + "}" + other;
}

void add_example(std::string& text, const std::vector<FieldFacts>& fields, size_t indent) {
  for (const FieldFacts& field : fields) {
    if (field.kind == Kind::kLater) continue;
    std::string blanks(indent, ' '), mark = field.is_alternative ? "# " : "";
    if (field.kind == Kind::kSections) {
      text += blanks + field.key + ":\n" + blanks + "  - " + example_entry(field) + "\n";
    } else if (field.kind == Kind::kSection && indent > 0) {
      text += blanks + field.key + ": " + example_entry(field) + "\n";
    } else if (field.kind == Kind::kSection) {
      text += field.key + ":\n";
      add_example(text, field.fields, indent + 2);
    } else {
      text += blanks + mark + field.key + ": " + example_text(field) + "\n";
    }
  }
}

}  // namespace

std::vector<RecipeKey> recipe_keys() {
  std::vector<RecipeKey> keys;
  add_keys(keys, Recipe::fields().facts(), "");
  return keys;
}

std::string type_text(const FieldFacts& facts) {
  switch (facts.kind) {
    case Kind::kInteger:
      return "whole number";
    case Kind::kNumber:
      return "number";
    case Kind::kFlag:
      return "true or false";
    case Kind::kText:
      return facts.words.empty() ? "text" : "word";
    case Kind::kTexts: {
      std::string one = facts.words.empty() ? "text" : "word";
      return facts.is_one_or_many ? one + " or list of " + one + "s" : "list of " + one + "s";
    }
    case Kind::kSection:
      return facts.is_or_path ? "path or section" : "section";
    case Kind::kSections:
      return facts.is_or_path ? "path, section, or list of either" : "section or list of sections";
    case Kind::kLater:
      return "not in this version";
  }
  return "";
}

std::string limits_text(const FieldFacts& facts) {
  std::string text;
  if (facts.kind == Kind::kNumber || facts.kind == Kind::kInteger) text = range_text(facts.range);
  if (facts.words.empty()) return text;
  return (text.empty() ? "" : text + ", or ") + joined(facts.words, "");
}

std::string example_text(const FieldFacts& facts) {
  return facts.example.empty() ? facts.fallback : facts.example;
}

std::vector<std::string> later_words(const FieldFacts& facts) {
  std::vector<std::string> words;
  for (const std::string& word : facts.later)
    if (std::find(facts.words.begin(), facts.words.end(), word) == facts.words.end())
      words.push_back(word);
  return words;
}

std::string recipe_reference() {
  std::string example;
  add_example(example, Recipe::fields().facts(), 0);
  return "# The recipe\n\n"
         "<!-- made by `slmtune explain recipe`: tests/recipes/reference_test.py --write -->\n\n"
         "One YAML file says everything about a training run. Every key has a default except those "
         "marked required, an unknown key is an error, and all mistakes are shown at once with "
         "line and column. `slmtune train RECIPE --print-recipe` shows the result with every "
         "default, `--set train.epochs=3` changes a key for one run, and `slmtune explain "
         "train.epochs` prints what stands here about one key. Paths are taken from the folder "
         "you are in. `null` means that a key is not given.\n\n"
         "YAML is read strictly: one document of at most 256 KiB, no tabs in the indentation, no "
         "anchors, aliases, merge keys or tags, no key twice, flags written `true` and `false`, "
         "and numbers that are finite.\n\n"
         "Editors with a YAML plug-in check a recipe while it is written and complete its keys "
         "when its first line names the schema (from the recipe's own folder):\n\n"
         "```yaml\n# yaml-language-server: $schema=../docs/recipe.schema.json\n```\n\n"
         "## Example with every key\n\n```yaml\n" +
         example + "```\n\n" + tables() +
         "\n## Not in this version\n\n"
         "These are reserved; a recipe that uses one is refused with R015.\n\n" +
         later_list();
}

}  // namespace slmtune::cli
