// What every command has in common. A command is one file with an options struct, a setup_x() that
// declares its options and a run_x() that does the work; main.cpp calls `run` after the whole line
// was understood.
//
//   void setup_merge(CLI::App& app, Program& program);   // declared below, defined in
//   merge_cmd.cpp
#pragma once
#include <functional>
#include <string>

#include "core/error_codes.h"
#include "eval/sampling_options.h"

namespace CLI {
class App;
}

namespace slmtune::cli {

struct Common {
  bool json = false, quiet = false, verbose = false, no_color = false;
};

// Where and how the model runs, from the command line; "" = as the recipe says, else auto.
struct DeviceFlags {
  std::string device, dtype;
};

struct Program {
  Common common;
  std::function<ExitCode()> run;  // the chosen command
  std::string line;               // the command line, for the lock file and the journal
};

// Adds --json, -q, -v and --no-color, and the example that --help ends with.
void finish_command(CLI::App& command, Program& program, const std::string& example);

void add_device_flags(CLI::App& command, DeviceFlags& flags);
void add_sampling_flags(CLI::App& command, eval::SamplingOptions& options);

void setup_pull(CLI::App& app, Program& program);
void setup_plan(CLI::App& app, Program& program);
void setup_train(CLI::App& app, Program& program);
void setup_eval(CLI::App& app, Program& program);
void setup_generate(CLI::App& app, Program& program);
void setup_chat(CLI::App& app, Program& program);
void setup_merge(CLI::App& app, Program& program);
void setup_export(CLI::App& app, Program& program);
void setup_inspect(CLI::App& app, Program& program);
void setup_data(CLI::App& app, Program& program);
void setup_snapshots(CLI::App& app, Program& program);
void setup_explain(CLI::App& app, Program& program);

}  // namespace slmtune::cli
