#include <fmt/format.h>

#include "cli/engine/commands.h"
#include "cli/engine/exports.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "core/error.h"
#include "core/text.h"
#include "export/encodings/encoding.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

void check_options(const ExportOptions& options) {
  if (options.format == "hf" && !options.encoding.empty())
    throw UserError("U006", "slmtune", "--encoding belongs to --format gguf",
                    "a Hugging Face folder keeps the number type of the base model");
  if (options.format == "gguf" && !options.encoding.empty() &&
      exporting::find_encoding(options.encoding) == nullptr) {
    std::vector<std::string> names;
    for (const exporting::Encoding& row : exporting::encodings()) names.emplace_back(row.name);
    throw UserError("U011", "--encoding", "unknown encoding '" + shown(options.encoding) + "'",
                    "choose from " + quoted_list(names));
  }
  if (options.format == "gguf" && fs::exists(options.to))
    throw IoError("W004", options.to, "this is there already",
                  "name another file, or remove it first");
}

}  // namespace

ExitCode run_export(const ExportOptions& options, const Common& common) {
  check_options(options);
  const StopSignals handlers;
  auto adapter = options.adapter.empty() ? std::nullopt : std::optional(options.adapter);
  LoadedModel loaded = load_for_export(resolve_source(options.model, adapter));
  fs::path to = options.to;
  MergedModel merged =
      merged_model(*loaded.model, loaded.source.base, loaded.source.base, to.stem().string());
  if (options.format == "hf") {
    exporting::write_hf_folder(merged.parts, to);
    if (common.json)
      print_json({{"schema", 1}, {"format", "hf"}, {"path", to.string()}});
    else
      print_line(to.string());
    return ExitCode::kDone;
  }
  std::string encoding = options.encoding.empty() ? "q8_0" : options.encoding;
  GgufExport done = export_gguf(merged, loaded.text, encoding, to);
  say_export(done, encoding);
  OrderedJson json = {{"schema", 1}};
  json.update(export_json(done, encoding));
  if (common.json)
    print_json(json);
  else
    print_line(done.report.path.string());
  return ExitCode::kDone;
}

}  // namespace slmtune::cli
