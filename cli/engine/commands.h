// The commands that compute, as the engine's table (cli/engine.h) names them. Each is in the file
// of its name.
#pragma once
#include "cli/options.h"
#include "cli/recipe.h"

namespace slmtune::cli {

ExitCode run_train(const TrainOptions& options, const Recipe& recipe, const Program& program);
ExitCode run_plan(const PlanOptions& options, const Common& common);
ExitCode run_eval(const EvalOptions& options, const Common& common);
ExitCode run_generate(const GenerateOptions& options, const Common& common);
ExitCode run_chat(const ChatOptions& options, const Common& common);
ExitCode run_merge(const MergeOptions& options, const Common& common);
ExitCode run_export(const ExportOptions& options, const Common& common);
ExitCode run_export_file(const ExportOptions& options);
ExitCode run_inspect(const InspectOptions& options, const Common& common);
ExitCode run_data_preview(const DataOptions& options, const Common& common);
ExitCode run_data_tokenize(const DataOptions& options, const Common& common);

}  // namespace slmtune::cli
