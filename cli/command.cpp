#include "cli/command.h"

#include "cli/option_checks.h"

namespace slmtune::cli {

void finish_command(CLI::App& command, Program& program, const std::string& example) {
  Common& common = program.common;
  command.add_flag("--json", common.json, "results as JSON on stdout (off by default)")
      ->group("Common");
  command
      .add_flag("-q,--quiet", common.quiet, "only warnings and errors on stderr (off by default)")
      ->group("Common");
  command.add_flag("-v,--verbose", common.verbose, "more messages on stderr (off by default)")
      ->group("Common");
  command
      .add_flag("--no-color", common.no_color, "no colours, as with NO_COLOR set (off by default)")
      ->group("Common");
  command.footer("Example:\n  " + example);
}

void add_device_flags(CLI::App& command, DeviceFlags& flags) {
  command
      .add_option("--device", flags.device,
                  "where the model runs: auto, cpu or cuda (default: the recipe's, else auto)")
      ->check(one_of({"auto", "cpu", "cuda"}));
  command
      .add_option(
          "--dtype", flags.dtype,
          "number type of weights: auto, float32 or bfloat16 (default: the recipe's, else auto)")
      ->check(one_of({"auto", "float32", "bfloat16"}));
}

}  // namespace slmtune::cli
