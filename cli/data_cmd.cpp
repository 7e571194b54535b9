#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <memory>

#include "cli/data_preview.h"
#include "cli/model_source.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/train_inputs.h"
#include "core/error.h"
#include "core/text.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

struct DataOptions {
  std::string what, model, chat_template, format = "auto";
  int64_t rows = 3;
  bool ids = false;
};

std::optional<std::string> optional(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

// A model folder, a snapshot or a folder with only a tokenizer.
TextSide text_side_of(const std::string& model, const std::optional<std::string>& chat_template) {
  if (fs::exists(fs::path(model) / "tokenizer.json") &&
      !fs::exists(fs::path(model) / "adapter_config.json"))
    return load_text_side(model, chat_template);
  return load_text_side(resolve_source(model, std::nullopt).base, chat_template);
}

struct PreviewInput {
  fs::path file;
  std::string format;
  std::optional<TextSide> text;
};

PreviewInput input_of(const DataOptions& options) {
  PreviewInput input{options.what, options.format, {}};
  if (is_recipe_path(options.what)) {
    Recipe recipe = read_recipe(options.what, {});
    input.text = find_model_inputs(recipe).text;
    input.file = recipe.data.train.front().path;
    input.format = recipe.data.format;
  }
  if (!options.model.empty())
    input.text = text_side_of(options.model, optional(options.chat_template));
  return input;
}

OrderedJson row_json(const std::string& place, const std::vector<Piece>& pieces,
                     const data::Tokens* tokens) {
  OrderedJson json = {{"place", place}, {"pieces", OrderedJson::array()}};
  for (const Piece& piece : pieces)
    json["pieces"].push_back({{"text", piece.text}, {"trained", piece.is_trained}});
  if (tokens) {
    json["tokens"] = tokens->ids.size();
    json["trained_tokens"] = tokens->trained();
  }
  return json;
}

void print_row(const std::string& place, const data::Example& example, const PreviewInput& input,
               const DataOptions& options, const Common& common, bool color) {
  std::optional<data::Tokens> tokens;
  if (input.text) tokens = data::tokenise(example, input.text->tokenizer, input.text->chat);
  std::vector<Piece> pieces =
      tokens ? pieces_of(*tokens, input.text->tokenizer) : pieces_of(example);
  if (common.json) return print_json(row_json(place, pieces, tokens ? &*tokens : nullptr));
  print(place +
        (tokens ? fmt::format(": {} tokens, {} trained\n", tokens->ids.size(), tokens->trained())
                : "\n"));
  print(preview_text(pieces, color));
  if (tokens && options.ids) print_line(fmt::format("ids: {}", fmt::join(tokens->ids, " ")));
  print("\n");
}

ExitCode run_preview(const DataOptions& options, const Common& common) {
  PreviewInput input = input_of(options);
  if (options.ids && !input.text)
    throw UserError("U003", "slmtune", "--ids needs --model",
                    "name the folder of the tokenizer with --model");
  const char* no_color = std::getenv("NO_COLOR");
  bool color =
      stdout_is_terminal() && !common.no_color && (no_color == nullptr || *no_color == '\0');
  std::vector<std::string> places;
  std::vector<data::Example> examples = data::read_examples(input.file, input.format, &places);
  size_t count = std::min(examples.size(), static_cast<size_t>(options.rows));
  if (!common.json) print_line(color ? "green = trained" : "⟦ ⟧ = trained");
  for (size_t i = 0; i < count; ++i)
    print_row(places[i], examples[i], input, options, common, color);
  return ExitCode::kDone;
}

ExitCode run_tokenize(const DataOptions& options) {
  TextSide text = text_side_of(options.model, optional(options.chat_template));
  for (const data::Example& example : data::read_examples(options.what, options.format)) {
    data::Tokens tokens = data::tokenise(example, text.tokenizer, text.chat);
    print_json({{"ids", tokens.ids}, {"labels", tokens.labels}});
  }
  return ExitCode::kDone;
}

void setup_preview(CLI::App& group, Program& program, const std::shared_ptr<DataOptions>& options) {
  CLI::App* command = group.add_subcommand(
      "preview", "the first rows as the model sees them, with what is trained set apart");
  command->add_option("RECIPE", options->what, "recipe or JSONL file")->required();
  command->add_option("--rows", options->rows, "how many rows")
      ->capture_default_str()
      ->check(whole_number(1, 1 << 30));
  command->add_option(
      "--model", options->model,
      "folder whose tokenizer and template are used (default: the recipe's, else plain roles)");
  command->add_option("--template", options->chat_template,
                      "chat template (default: recognised from the model folder)");
  command->add_option("--format", options->format, "shape of the rows")->capture_default_str();
  command->add_flag("--ids", options->ids, "token ids below each row (off by default)");
  finish_command(*command, program, "slmtune data preview recipes/quickstart/faq.yaml --rows 5");
  command->callback([options, &program] {
    program.run = [options, &program] { return run_preview(*options, program.common); };
  });
}

void setup_tokenize(CLI::App& group, Program& program,
                    const std::shared_ptr<DataOptions>& options) {
  CLI::App* command = group.add_subcommand(
      "tokenize", "one JSON object per row: ids, and labels with -100 where nothing is trained");
  command->add_option("FILE", options->what, "JSONL file")->required();
  command->add_option("--model", options->model, "folder whose tokenizer and template are used")
      ->required();
  command->add_option("--template", options->chat_template,
                      "chat template (default: recognised from the model folder)");
  command->add_option("--format", options->format, "shape of the rows")->capture_default_str();
  finish_command(*command, program,
                 "slmtune data tokenize --model models/Qwen2.5-0.5B-Instruct data/faq.jsonl");
  command->callback(
      [options, &program] { program.run = [options] { return run_tokenize(*options); }; });
}

}  // namespace

void setup_data(CLI::App& app, Program& program) {
  CLI::App* group =
      app.add_subcommand("data", "look at rows: preview, tokenize")->require_subcommand(1);
  group->footer("Example:\n  slmtune data preview recipes/quickstart/faq.yaml");
  setup_preview(*group, program, std::make_shared<DataOptions>());
  setup_tokenize(*group, program, std::make_shared<DataOptions>());
}

}  // namespace slmtune::cli
