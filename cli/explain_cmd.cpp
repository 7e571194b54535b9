#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <memory>

#include "cli/command.h"
#include "cli/command_line.h"
#include "cli/output.h"
#include "cli/recipe_reference.h"
#include "core/error.h"
#include "core/text.h"

namespace slmtune::cli {
namespace {

constexpr size_t kWidth = 100;

// Breaks `text` at blanks into lines of at most `width` bytes.
std::string wrapped(std::string_view text, size_t width) {
  std::string result;
  size_t column = 0;
  while (!text.empty()) {
    size_t end = std::min(text.find(' '), text.size());
    if (column > 0) {
      bool fits = column + 1 + end <= width;
      result += fits ? " " : "\n";
      column = fits ? column + 1 : 0;
    }
    result += text.substr(0, end);
    column += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

const ErrorRow* find_code(std::string code) {
  std::transform(code.begin(), code.end(), code.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  for (const ErrorRow& row : error_rows())
    if (row.code == code) return &row;
  return nullptr;
}

void explain_code(const ErrorRow& row, const Common& common) {
  int exit = static_cast<int>(row.exit);
  if (common.json)
    print_json({{"schema", 1},
                {"code", row.code},
                {"exit", exit},
                {"title", row.title},
                {"explanation", row.explanation}});
  else
    print_line(fmt::format("{}: {} (exit code {})\n\n{}", row.code, row.title, exit,
                           wrapped(row.explanation, kWidth)));
}

void explain_key(const RecipeKey& key, const Common& common) {
  const FieldFacts& facts = key.facts;
  OrderedJson json = {{"schema", 1}, {"key", key.path}, {"meaning", facts.meaning}};
  std::string text = wrapped(key.path + ": " + facts.meaning, kWidth) + "\n";
  auto add = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    json[name] = value;
    text += fmt::format("\n  {:<9} {}", name, value);
  };
  add("type", type_text(facts));
  add("takes", limits_text(facts));
  add("unit", facts.unit);
  add("default", facts.is_required ? "none: required" : facts.fallback);
  if (std::string value = example_text(facts); !value.empty())
    add("example", facts.key + ": " + value);
  std::string keys;
  for (const FieldFacts& field : facts.fields) keys += (keys.empty() ? "" : ", ") + field.key;
  add("keys", keys);
  if (common.json)
    print_json(json);
  else
    print_line(text);
}

// docs/errors.md
std::string error_pages() {
  std::string text =
      "# Error codes\n\n"
      "<!-- made by `slmtune explain errors`: tests/docs/error_codes_test.py --write -->\n\n"
      "Every error names its code, as in `error[R012]`; `slmtune explain R012` prints what stands "
      "here.\n";
  for (const ErrorRow& row : error_rows())
    text += fmt::format("\n## {}: {}\n\nExit code {}. {}\n", row.code, row.title,
                        static_cast<int>(row.exit), row.explanation);
  return text;
}

void print_whole(const std::string& markdown, const Common& common) {
  if (common.json)
    print_json({{"schema", 1}, {"markdown", markdown}});
  else
    print(markdown);
}

UserError unknown_topic(const std::string& asked, const std::vector<RecipeKey>& keys) {
  std::vector<std::string> names = {"recipe", "recipe-schema", "errors"};
  for (const RecipeKey& key : keys) names.push_back(key.path);
  for (const RecipeKey& key : keys)  // 'rank' for 'lora.rank'
    if (key.path.ends_with("." + asked))
      return {"U007", "slmtune", "no such error code or recipe key: '" + shown(asked) + "'",
              "did you mean '" + key.path + "'?"};
  std::string near = nearest_name(asked, names);
  return {"U007", "slmtune", "no such error code or recipe key: '" + shown(asked) + "'",
          near.empty() ? "codes look like R012, as in 'error[R012]', keys like lora.rank"
                       : "did you mean '" + near + "'?"};
}

ExitCode run_explain(const std::string& asked, const Common& common) {
  std::vector<RecipeKey> keys = recipe_keys();
  auto key = std::find_if(keys.begin(), keys.end(),
                          [&](const RecipeKey& candidate) { return candidate.path == asked; });
  if (const ErrorRow* row = find_code(asked))
    explain_code(*row, common);
  else if (key != keys.end())
    explain_key(*key, common);
  else if (asked == "recipe-schema")
    print(recipe_schema().dump(1) + "\n");
  else if (asked == "recipe" || asked == "errors")
    print_whole(asked == "recipe" ? recipe_reference() : error_pages(), common);
  else
    throw unknown_topic(asked, keys);
  return ExitCode::kDone;
}

}  // namespace

void setup_explain(CLI::App& app, Program& program) {
  auto topic = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("explain", "what an error code or a recipe key means and takes");
  command
      ->add_option("TOPIC", *topic,
                   "an error code (R012), a recipe key (lora.rank), or the whole of recipe, "
                   "recipe-schema or errors")
      ->required();
  finish_command(*command, program, "slmtune explain lora.rank");
  command->callback([topic, &program] {
    program.run = [topic, &program] { return run_explain(*topic, program.common); };
  });
}

}  // namespace slmtune::cli
