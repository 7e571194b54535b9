// slmtune: the command line. Turns every exception into a message and an exit code; nothing else in
// the program exits.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <new>

#include "cli/command.h"
#include "cli/library_fault.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "cli/usage_errors.h"
#include "core/error.h"
#include "core/log.h"
#include "core/stop.h"
#include "core/version.h"
#include "ops/deploy/serving_pause.h"

namespace slmtune::cli {
namespace {

void set_up_app(CLI::App& app, Program& program) {
  app.require_subcommand(1);
  app.set_version_flag("--version", "slmtune " + std::string(version()));
  app.footer(
      "Example:\n  slmtune train recipes/quickstart/faq.yaml\n\n'slmtune COMMAND --help' shows a "
      "command's options.");
  setup_pull(app, program);
  setup_plan(app, program);
  setup_train(app, program);
  setup_eval(app, program);
  setup_generate(app, program);
  setup_chat(app, program);
  setup_merge(app, program);
  setup_export(app, program);
  setup_deploy(app, program);
  setup_inspect(app, program);
  setup_data(app, program);
  setup_snapshots(app, program);
  setup_explain(app, program);
}

void set_up_messages(const Common& common) {
  const char* no_color = std::getenv("NO_COLOR");
  bool color =
      !common.no_color && (no_color == nullptr || *no_color == '\0') && stderr_is_terminal();
  Verbosity verbosity = common.quiet     ? Verbosity::kQuiet
                        : common.verbose ? Verbosity::kVerbose
                                         : Verbosity::kNormal;
  set_up_log(verbosity, color);
}

int run(int count, char** words) {
  Program program;
  for (int i = 0; i < count; ++i) program.line += (i ? " " : "") + std::string(words[i]);
  program.make_room = [&program](const std::filesystem::path& store, uint64_t needed,
                                 const std::function<uint64_t()>& free) {
    return ops::pause_when_short(store, program.line,
                                 {.needed_bytes = needed, .free_bytes = free});
  };
  CLI::App app{"Fine-tunes small language models on this machine.", "slmtune"};
  set_up_app(app, program);
  try {
    app.parse(count, words);
  } catch (const CLI::Success& wanted) {  // --help, --version
    app.exit(wanted);
    return 0;
  } catch (const CLI::ParseError& error) {
    throw usage_error(app, error);
  }
  set_up_messages(program.common);
  return static_cast<int>(program.run());
}

// What the program writes may hold the users' own texts, and so may its memory: files are for their
// owner alone, and a crash leaves no picture of the memory behind.
void keep_private() {
  umask(S_IRWXG | S_IRWXO);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  // A pipe in kernel.core_pattern is not held back by the limit.
  prctl(PR_SET_DUMPABLE, 0);
}

int report(const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return static_cast<int>(error.exit_code());
}

// A disk or a permission, not a bug.
int report(const std::filesystem::filesystem_error& error) {
  try {
    throw_io_error(error);
  } catch (const Error& ours) {
    return report(ours);
  }
}

int report_out_of_memory() {
  return report(UnavailableError(
      "G010", "slmtune", "out of memory",
      "lower train.micro_batch_tokens or data.max_tokens, or use a smaller model"));
}

}  // namespace
}  // namespace slmtune::cli

int main(int count, char** words) {
  using namespace slmtune;
  using namespace slmtune::cli;
  keep_private();
  ignore_broken_pipes();
  try {
    return run(count, words);
  } catch (const OutputClosed&) {
    die_by_signal(SIGPIPE);
  } catch (const StopRequested& stop) {
    die_by_signal(stop.signal);
  } catch (const Error& error) {
    return report(error);
  } catch (const std::filesystem::filesystem_error& error) {
    return report(error);
  } catch (const std::bad_alloc&) {
    return report_out_of_memory();
  } catch (const std::exception& error) {
    return report(library_fault(error.what()));
  } catch (...) {
    return report(library_fault("of an unknown type"));
  }
}
