// slmtune: the command line. Turns every exception into a message and an exit code; nothing else in
// the program exits.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <new>

#include "cli/command.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "cli/usage_errors.h"
#include "core/error.h"
#include "core/log.h"
#include "cli/library_fault.h"
#include "core/text.h"
#include "core/version.h"

namespace slmtune::cli {
namespace {

void set_up_app(CLI::App& app, Program& program) {
  app.require_subcommand(1);
  app.set_version_flag("--version", "slmtune " + std::string(version()));
  app.footer(
      "Example:\n  slmtune train recipes/quickstart/faq.yaml\n\n'slmtune COMMAND --help' shows a "
      "command's options.");
  setup_pull(app, program);
  setup_train(app, program);
  setup_eval(app, program);
  setup_generate(app, program);
  setup_chat(app, program);
  setup_merge(app, program);
  setup_export(app, program);
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

int report(const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return static_cast<int>(error.exit_code());
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
  ignore_broken_pipes();
  try {
    return run(count, words);
  } catch (const OutputClosed&) {
    die_by_signal(SIGPIPE);
  } catch (const Error& error) {
    return report(error);
  } catch (const std::bad_alloc&) {
    return report_out_of_memory();
  } catch (const std::exception& error) {
    return report(library_fault(error.what()));
  } catch (...) {
    return report(library_fault("of an unknown type"));
  }
}
