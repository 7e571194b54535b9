// The half of the program that computes, in libslmtune_engine.so beside the program. Opening
// LibTorch costs 0.3 to 0.4 s, more than all else that a mistyped command, a wrong recipe or a list
// of snapshots needs; so the program itself does not link it and opens the engine when a command is
// understood and has work for it.
#pragma once
#include "cli/options.h"
#include "cli/recipe.h"

namespace slmtune::cli {

// Every function throws only slmtune::Error and OutputClosed.
struct Engine {
  // The caller holds the store's lock, unless it is a dry run.
  ExitCode (*train)(const TrainOptions& options, const Recipe& recipe, const Program& program);
  ExitCode (*plan)(const PlanOptions& options, const Common& common);
  ExitCode (*eval)(const EvalOptions& options, const Common& common);
  ExitCode (*generate)(const GenerateOptions& options, const Common& common);
  ExitCode (*chat)(const ChatOptions& options, const Common& common);
  ExitCode (*merge)(const MergeOptions& options, const Common& common);
  ExitCode (*export_model)(const ExportOptions& options, const Common& common);
  ExitCode (*export_file)(const ExportOptions& options);  // the same, and prints nothing
  ExitCode (*inspect)(const InspectOptions& options, const Common& common);
  ExitCode (*data_preview)(const DataOptions& options, const Common& common);
  ExitCode (*data_tokenize)(const DataOptions& options, const Common& common);
};

// Opened at the first call. UnavailableError G005 when it is missing or of another build.
const Engine& engine();

}  // namespace slmtune::cli
