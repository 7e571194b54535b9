#include <memory>

#include "cli/command_line.h"
#include "cli/exports.h"
#include "cli/output.h"
#include "core/atomic_file.h"
#include "core/log.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

struct MergeOptions {
  std::string model, adapter, to;
};

ExitCode run_merge(const MergeOptions& options, const Common& common) {
  auto adapter = options.adapter.empty() ? std::nullopt : std::optional(options.adapter);
  LoadedModel loaded = load_for_export(resolve_source(options.model, adapter));
  if (!loaded.lora) log_info("'" + options.model + "' has no adapter: its weights are copied");
  fs::path to = options.to;
  MergedModel merged =
      merged_model(*loaded.model, loaded.source.base, loaded.source.base, to.filename().string());
  if (to.has_parent_path()) make_folder(to.parent_path());
  exporting::write_hf_folder(merged.parts, to);
  if (common.json)
    print_json({{"schema", 1},
                {"format", "hf"},
                {"path", to.string()},
                {"tensors", merged.parts.tensors.size()}});
  else
    print_line(to.string());
  return ExitCode::kDone;
}

}  // namespace

void setup_merge(CLI::App& app, Program& program) {
  auto options = std::make_shared<MergeOptions>();
  CLI::App* command = app.add_subcommand(
      "merge", "write a Hugging Face folder with the adapter merged into the base");
  command->add_option("MODEL", options->model, "snapshot (STORE#42, STORE#latest) or model folder")
      ->required();
  command->add_option("--adapter", options->adapter,
                      "PEFT folder or snapshot to put on the model (default: none)");
  command->add_option("--to", options->to, "new folder")->required();
  finish_command(*command, program, "slmtune merge runs/faq#latest --to out/faq-merged");
  command->callback([options, &program] {
    program.run = [options, &program] { return run_merge(*options, program.common); };
  });
}

}  // namespace slmtune::cli
