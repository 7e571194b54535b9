#include "cli/engine/commands.h"
#include "cli/engine/exports.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "core/log.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

}  // namespace

ExitCode run_merge(const MergeOptions& options, const Common& common) {
  const StopSignals handlers;
  auto adapter = options.adapter.empty() ? std::nullopt : std::optional(options.adapter);
  LoadedModel loaded = load_for_export(resolve_source(options.model, adapter));
  if (!loaded.lora) log_info("'" + options.model + "' has no adapter: its weights are copied");
  fs::path to = options.to;
  MergedModel merged =
      merged_model(*loaded.model, loaded.source.base, loaded.source.base, to.filename().string());
  exporting::write_hf_folder(merged.parts, to);
  if (common.json)
    print_json({{"schema", 1},
                {"format", "hf"},
                {"path", to.string()},
                {"tensors", merged.parts.tensors.size()},
                {"base_quant", merged.parts.config.stored_quant}});
  else
    print_line(to.string());
  return ExitCode::kDone;
}

}  // namespace slmtune::cli
