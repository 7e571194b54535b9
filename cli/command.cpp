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
                  "where the model runs: auto, cpu, cuda, or cuda:N for GPU number N, from 0 "
                  "(default: the recipe's, else auto)")
      ->check(device_word());
  command
      .add_option(
          "--dtype", flags.dtype,
          "number type of weights: auto, float32 or bfloat16 (default: the recipe's, else auto)")
      ->check(one_of({"auto", "float32", "bfloat16"}));
}

void add_sampling_flags(CLI::App& command, eval::SamplingOptions& options) {
  command.add_flag("--greedy", options.greedy,
                   "always the most likely token (off by default: sampled)");
  command.add_option("--max-tokens", options.max_tokens, "longest answer, in tokens")
      ->capture_default_str()
      ->check(whole_number(1, 1 << 20));
  command.add_option("--seed", options.seed, "same seed, same answer")
      ->capture_default_str()
      ->check(whole_number(0, INT64_MAX));
  command
      .add_option("--temperature", options.temperature,
                  "below 1 more predictable, above 1 more varied")
      ->capture_default_str()
      ->check(decimal(0.01, 100.0));
  command.add_option("--top-k", options.top_k, "choose among the k most likely tokens; 0 = all")
      ->capture_default_str()
      ->check(whole_number(0, 1 << 30));
  command
      .add_option("--top-p", options.top_p,
                  "choose among the most likely tokens of this summed probability")
      ->capture_default_str()
      ->check(decimal(0.0, 1.0));
}

}  // namespace slmtune::cli
