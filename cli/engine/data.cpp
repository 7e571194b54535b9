#include <fmt/format.h>

#include <cstdlib>

#include "cli/engine/commands.h"
#include "cli/engine/data_preview.h"
#include "cli/engine/model_source.h"
#include "cli/engine/train_inputs.h"
#include "cli/output.h"
#include "core/error.h"
#include "core/text.h"
#include "data/row_place.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> optional(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

// A model folder, a snapshot or a folder with only a tokenizer.
TextSide text_side_of(const std::string& model, const std::optional<std::string>& chat_template) {
  if (data::Tokenizer::find_file(model) && !fs::exists(fs::path(model) / "adapter_config.json"))
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
  for (const Piece& piece : pieces) {
    json["pieces"].push_back({{"text", piece.text}, {"trained", piece.is_trained}});
    if (tokens) json["pieces"].back()["ids"] = piece.ids;
  }
  if (tokens) {
    json["tokens"] = tokens->ids.size();
    json["trained_tokens"] = tokens->trained();
  }
  return json;
}

OrderedJson end_json(const AnswerEnd& end) {
  return {{"id", end.id}, {"text", end.text}, {"stops", end.stops}};
}

void print_row(const std::string& place, const data::Example& example, const PreviewInput& input,
               const DataOptions& options, const Common& common, bool color) {
  if (!input.text) {
    std::vector<Piece> pieces = pieces_of(example);
    if (common.json) return print_json(row_json(place, pieces, nullptr));
    return print(place + "\n" + preview_text(pieces, color) + "\n");
  }
  const data::Tokenizer& tokenizer = input.text->tokenizer;
  data::Tokens tokens =
      data::at_place(place, [&] { return data::tokenise(example, tokenizer, input.text->chat); });
  std::vector<Piece> pieces = pieces_of(tokens, tokenizer);
  std::optional<AnswerEnd> end = answer_end(tokens, tokenizer);
  if (common.json) {
    OrderedJson json = row_json(place, pieces, &tokens);
    json["end"] = end ? end_json(*end) : OrderedJson();
    return print_json(json);
  }
  print(fmt::format("{}: {} tokens, {} trained\n", place, tokens.ids.size(), tokens.trained()));
  print(preview_text(pieces, color));
  if (!options.no_ids) print(ids_text(pieces, color));
  print(end_text(end) + "\n");
}

}  // namespace

ExitCode run_data_preview(const DataOptions& options, const Common& common) {
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

ExitCode run_data_tokenize(const DataOptions& options, const Common&) {
  TextSide text = text_side_of(options.model, optional(options.chat_template));
  std::vector<std::string> places;
  std::vector<data::Example> examples = data::read_examples(options.what, options.format, &places);
  for (size_t i = 0; i < examples.size(); ++i) {
    data::Tokens tokens = data::at_place(
        places[i], [&] { return data::tokenise(examples[i], text.tokenizer, text.chat); });
    print_json({{"ids", tokens.ids}, {"labels", tokens.labels}});
  }
  return ExitCode::kDone;
}

}  // namespace slmtune::cli
