
#include "cli/engine/commands.h"
#include "cli/engine/export_lora.h"
#include "cli/engine/exports.h"
#include "cli/engine/importance.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "core/error.h"
#include "core/text.h"
#include "export/mixtures/mixture.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultEncoding = "q8_0";

void refuse_option(const char* name, const ExportOptions& options) {
  throw UserError("U006", "slmtune", std::string(name) + " belongs to --format gguf",
                  options.format == "hf"
                      ? "a Hugging Face folder keeps the number type of the base model"
                      : "an adapter's file holds float32");
}

void check_options(const ExportOptions& options) {
  if (options.format != "gguf") {
    if (!options.encoding.empty()) refuse_option("--encoding", options);
    if (!options.imatrix.empty()) refuse_option("--imatrix", options);
  } else if (!options.encoding.empty() && exporting::find_mixture(options.encoding) == nullptr) {
    throw UserError("U011", "--encoding", "unknown encoding '" + shown(options.encoding) + "'",
                    "choose from " + quoted_list(exporting::mixture_names()));
  }
  if (options.format != "hf" && fs::exists(options.to))
    throw IoError("W004", options.to, "this is there already",
                  "name another file, or remove it first");
}

// What is asked of the model with its weights, which are gone from memory before the file is
// written: merging reads one tensor at a time.
struct Asked {
  std::optional<TrainedAnswers> trained;
  std::optional<exporting::ImportanceMatrix> importance;
};

HeldOut held_out_for(const ExportOptions& options, const LoadedModel& loaded, int64_t count) {
  const int64_t context = loaded.model->config().max_positions;
  if (!options.data.empty()) return held_out_file(options.data, loaded.text, context, count);
  if (const auto folder = trained_in(loaded.source))
    return held_out_of_snapshot(*folder, loaded.text, context, count);
  return held_out_text(loaded.text.tokenizer, context, count);
}

Asked ask(const ExportOptions& options, const ModelSource& source) {
  Asked asked;
  std::optional<LoadedModel> loaded;
  const auto model = [&]() -> LoadedModel& {
    if (!loaded) loaded = load_to_ask(source, options.device);
    return *loaded;
  };
  asked.importance =
      importance_of(options.imatrix, options.to,
                    {[&]() -> models::CausalLM& { return *model().model; },
                     [&] { return held_out_for(options, model(), kImportanceRows); }});
  if (options.verify)
    asked.trained = ask_trained(*model().model, held_out_for(options, model(), options.prompts),
                                model().text.tokenizer, source_json(source));
  return asked;
}

exporting::VerifyLimits limits_for(const ExportOptions& options, const ModelSource& source,
                                   const std::string& encoding) {
  ExportChoice choice = export_in_recipe(source, encoding);
  if (options.max_perplexity_increase)
    choice.max_perplexity_increase = options.max_perplexity_increase;
  if (options.min_greedy_agreement) choice.min_greedy_agreement = options.min_greedy_agreement;
  return limits_of(choice);
}

// Before minutes are spent on asking. What a killed export left counts as room.
void check_room(const MergedModel& merged, const data::Tokenizer& tokenizer,
                const std::string& encoding, const fs::path& to) {
  const exporting::UnverifiedFile file(to);
  file.check_room(exporting::gguf_model_bytes(merged.parts, tokenizer, encoding));
}

OrderedJson export_file(const ExportOptions& options, const ModelSource& source) {
  const std::string encoding = options.encoding.empty() ? kDefaultEncoding : options.encoding;
  const fs::path to = options.to;
  const exporting::VerifyLimits limits = limits_for(options, source, encoding);
  const LoadedModel loaded = load_for_export(source);
  const MergedModel merged =
      merged_model(*loaded.model, source.base, source.base, to.stem().string());
  check_room(merged, loaded.text.tokenizer, encoding, to);
  const Asked asked = ask(options, source);
  const GgufExport done =
      export_gguf(merged, loaded.text,
                  {encoding, to, asked.importance ? &*asked.importance : nullptr,
                   asked.trained ? &*asked.trained : nullptr, limits});
  say_export(done, encoding);
  return export_json(done, encoding);
}

OrderedJson export_folder(const ExportOptions& options, const ModelSource& source) {
  const LoadedModel loaded = load_for_export(source);
  const fs::path to = options.to;
  const MergedModel merged =
      merged_model(*loaded.model, source.base, source.base, to.stem().string());
  exporting::write_hf_folder(merged.parts, to);
  return {{"format", "hf"}, {"path", to.string()}};
}

OrderedJson made(const ExportOptions& options) {
  check_options(options);
  auto adapter = options.adapter.empty() ? std::nullopt : std::optional(options.adapter);
  const ModelSource source = resolve_source(options.model, adapter);
  return options.format == "hf" ? export_folder(options, source)
         : options.format == "gguf-lora"
             ? export_gguf_lora(source, fs::path(options.to).stem().string(), options.to)
             : export_file(options, source);
}

}  // namespace

ExitCode run_export(const ExportOptions& options, const Common& common) {
  const StopSignals handlers;
  OrderedJson json = {{"schema", 1}};
  json.update(made(options));
  if (common.json)
    print_json(json);
  else
    print_line(json["path"].get<std::string>());
  return ExitCode::kDone;
}

ExitCode run_export_file(const ExportOptions& options) {
  made(options);
  return ExitCode::kDone;
}

}  // namespace slmtune::cli
