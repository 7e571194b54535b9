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

// A model folder, a snapshot, a GGUF file or a folder with only a tokenizer.
TextSide text_side_of(const std::string& model, const std::optional<std::string>& chat_template) {
  if (data::Tokenizer::find_file(model) && !fs::exists(fs::path(model) / "adapter_config.json"))
    return load_text_side(model, chat_template);
  return load_text_side(resolve_source(model, std::nullopt, GgufFiles::kTaken).base, chat_template);
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

OrderedJson row_json(const std::string& place, data::RowMark mark, const std::vector<Piece>& pieces,
                     const data::Tokens* tokens) {
  OrderedJson json = {{"place", place}};
  if (mark != data::RowMark::kNone) json["mark"] = mark_name(mark);
  json["pieces"] = OrderedJson::array();
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

// "faq.jsonl:12 (rejected)"
std::string title_of(const std::string& place, data::RowMark mark) {
  return mark == data::RowMark::kNone ? place : place + " (" + mark_name(mark) + ")";
}

void print_plain(const std::string& place, const data::Example& example, const Common& common,
                 bool color) {
  std::vector<Piece> pieces = pieces_of(example);
  if (common.json) return print_json(row_json(place, example.mark, pieces, nullptr));
  print(title_of(place, example.mark) + "\n" + preview_text(pieces, color) + "\n");
}

void print_tokens(const std::string& place, const data::Tokens& tokens,
                  const data::Tokenizer& tokenizer, const DataOptions& options,
                  const Common& common, bool color) {
  std::vector<Piece> pieces = pieces_of(tokens, tokenizer);
  std::optional<AnswerEnd> end = answer_end(tokens, tokenizer);
  if (common.json) {
    OrderedJson json = row_json(place, tokens.mark, pieces, &tokens);
    json["end"] = end ? end_json(*end) : OrderedJson();
    return print_json(json);
  }
  print(fmt::format("{}: {} tokens, {} trained\n", title_of(place, tokens.mark), tokens.ids.size(),
                    tokens.trained()));
  print(preview_text(pieces, color));
  if (!options.no_ids) print(ids_text(pieces, color));
  print(end_text(end) + "\n");
}

std::vector<data::Tokens> tokenised(const std::string& place, const data::Example& example,
                                    const TextSide& text) {
  return data::at_place(place,
                        [&] { return data::tokenise_rows(example, text.tokenizer, text.chat); });
}

void print_row(const std::string& place, const data::Example& example, const PreviewInput& input,
               const DataOptions& options, const Common& common, bool color) {
  if (input.text) {
    for (const data::Tokens& tokens : tokenised(place, example, *input.text))
      print_tokens(place, tokens, input.text->tokenizer, options, common, color);
    return;
  }
  print_plain(place, example, common, color);
  for (const data::Example& rejected : example.rejected)
    print_plain(place, rejected, common, color);
}

OrderedJson tokens_json(const data::Tokens& tokens) {
  return {{"ids", tokens.ids}, {"labels", tokens.labels}};
}

// A pair is {"chosen": {ids, labels}, "rejected": {ids, labels}}; a vote stands as "label".
OrderedJson rows_json(const std::vector<data::Tokens>& rows) {
  if (rows.size() > 1)
    return {{"chosen", tokens_json(rows[0])}, {"rejected", tokens_json(rows[1])}};
  OrderedJson json = tokens_json(rows[0]);
  const data::RowMark mark = rows[0].mark;
  if (mark != data::RowMark::kNone) json["label"] = mark == data::RowMark::kGood;
  return json;
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
  for (size_t i = 0; i < examples.size(); ++i)
    print_json(rows_json(tokenised(places[i], examples[i], text)));
  return ExitCode::kDone;
}

}  // namespace slmtune::cli
