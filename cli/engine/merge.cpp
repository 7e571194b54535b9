#include "lora/merge.h"
#include "cli/engine/commands.h"
#include "cli/engine/model_source.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "core/log.h"
#include "export/export.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

std::optional<DType> written_dtype(const std::string& word) {
  if (word == "float32") return DType::kF32;
  if (word == "bfloat16") return DType::kBF16;
  return std::nullopt;
}

}  // namespace

ExitCode run_merge(const MergeOptions& options, const Common& common) {
  const StopSignals handlers;
  auto adapter = options.adapter.empty() ? std::nullopt : std::optional(options.adapter);
  const LoadedModel loaded = load_for_export(resolve_source(options.model, adapter));
  const models::ModelConfig& config = loaded.model->config();
  if (!loaded.lora) log_info("'" + options.model + "' has no adapter: its weights are copied");
  if (config.stored_quant != "none")
    log_info("the base is stored in 4 bits, so the merged weights are as exact as those");
  const TensorFolder weights = TensorFolder::open(loaded.source.base);
  const fs::path to = options.to;
  const exporting::ModelParts parts{
      config, lora::merged_tensors(*loaded.model, weights, written_dtype(options.dtype)),
      loaded.source.base, to.filename().string()};
  exporting::write_hf_folder(parts, to);
  if (common.json)
    print_json({{"schema", 1},
                {"format", "hf"},
                {"path", to.string()},
                {"tensors", parts.tensors.size()},
                {"base_quant", config.stored_quant}});
  else
    print_line(to.string());
  return ExitCode::kDone;
}

}  // namespace slmtune::cli
