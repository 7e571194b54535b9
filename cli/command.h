// What every command has in common. A command is one file with an options struct, a setup_x() that
// declares its options and a run_x() that does the work; main.cpp calls `run` after the whole line
// was understood.
//
//   void setup_merge(CLI::App& app, Program& program);   // declared below, defined in
//   merge_cmd.cpp
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
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

// Has the servers that `store` deploys to make room for a training that needs `needed` bytes, of
// which free() tells how many there are. They serve again when the result goes. Null when none of
// them paused. V009, L001.
using MakeRoom = std::function<std::shared_ptr<void>(const std::filesystem::path& store,
                                                     uint64_t needed,
                                                     const std::function<uint64_t()>& free)>;

struct Program {
  Common common;
  std::function<ExitCode()> run;  // the chosen command
  std::string line;               // the command line, for the lock file and the journal
  MakeRoom make_room;             // lent to the engine, which has no function of the network
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
void setup_deploy(CLI::App& app, Program& program);
void setup_inspect(CLI::App& app, Program& program);
void setup_data(CLI::App& app, Program& program);
void setup_snapshots(CLI::App& app, Program& program);
void setup_explain(CLI::App& app, Program& program);

}  // namespace slmtune::cli
