#include <fmt/format.h>

#include <cstdlib>
#include <memory>

#include "cli/command.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "core/log.h"
#include "core/stop.h"
#include "core/text.h"
#include "ops/hub/pull.h"

namespace slmtune::cli {
namespace {

struct PullOptions {
  std::string repository, to;
  int jobs = 4, retries = 8, stall_seconds = 30;
};

const char* name_of(ops::Origin origin) {
  switch (origin) {
    case ops::Origin::kKept:
      return "kept";
    case ops::Origin::kCache:
      return "cache";
    default:
      return "hub";
  }
}

[[noreturn]] void stop_here(const std::string& folder) {
  log_warning("stopped; what was fetched is kept in " + folder + "/.pull");
  log_info("the same command goes on from there");
  die_by_signal(stop_requested());
}

void print_result(const ops::PullRequest& request, const ops::PullResult& pulled) {
  OrderedJson json = {{"schema", 1},
                      {"repository", request.repository.name},
                      {"revision", request.repository.revision},
                      {"commit", pulled.commit},
                      {"folder", request.folder.string()},
                      {"bytes", pulled.bytes()},
                      {"fetched_bytes", pulled.fetched_bytes()},
                      {"files", OrderedJson::array()}};
  for (const ops::PulledFile& entry : pulled.files)
    json["files"].push_back({{"name", entry.file.name},
                             {"bytes", entry.file.bytes},
                             {"hash", ops::hash_text(entry.file)},
                             {"from", name_of(entry.origin)}});
  print_json(json);
}

ExitCode run_pull(const PullOptions& options, const Program& program) {
  ops::PullRequest request;
  request.repository = ops::parse_repository(options.repository);
  request.folder = options.to.empty() ? "models/" + request.repository.folder_name() : options.to;
  request.parallel = options.jobs;
  request.retries = options.retries;
  request.stall_seconds = options.stall_seconds;
  request.command = program.line;
  request.should_stop = [] { return stop_requested() != 0; };
  const ops::HubSettings hub = ops::hub_settings(std::getenv);
  if (ops::sends_token_in_clear(hub))
    log_warning("HF_ENDPOINT is plain http: the token crosses the network unencrypted");

  const StopSignals handlers;
  const StopDeferred own_way;  // pull stops by itself and says what is kept
  const double start = now_seconds();
  const ops::PullResult pulled = ops::pull(request, hub);
  if (pulled.was_stopped) stop_here(request.folder.string());
  const uint64_t fetched = pulled.fetched_bytes();
  log_info(fmt::format("{} at {}: {} files, {}; {} in {}", request.repository.name,
                       pulled.commit.substr(0, 12), pulled.files.size(),
                       human_bytes(pulled.bytes()),
                       fetched == 0 ? "nothing fetched" : human_bytes(fetched) + " fetched",
                       human_seconds(now_seconds() - start)));
  if (program.common.json)
    print_result(request, pulled);
  else
    print_line(request.folder.string());
  return ExitCode::kDone;
}

}  // namespace

void setup_pull(CLI::App& app, Program& program) {
  auto options = std::make_shared<PullOptions>();
  CLI::App* command = app.add_subcommand(
      "pull",
      "fetch a model folder from a Hugging Face hub (the only command that reads the network)");
  command
      ->add_option("REPOSITORY", options->repository,
                   "ORG/NAME, or ORG/NAME@REVISION for a branch, tag or commit (default: main)")
      ->required();
  command->add_option("--to", options->to, "the model's folder (default: models/NAME)");
  command->add_option("--jobs", options->jobs, "files fetched at once, from 1 to 16 (default: 4)")
      ->check(whole_number(1, 16));
  command
      ->add_option(
          "--retries", options->retries,
          "repetitions after a broken connection or a busy hub, from 0 to 100 (default: 8)")
      ->check(whole_number(0, 100));
  command
      ->add_option(
          "--timeout", options->stall_seconds,
          "seconds without data before a connection is given up, from 1 to 3600 (default: 30)")
      ->check(whole_number(1, 3600));
  finish_command(*command, program, "slmtune pull Qwen/Qwen2.5-0.5B-Instruct");
  command->callback([options, &program] {
    program.run = [options, &program] { return run_pull(*options, program); };
  });
}

}  // namespace slmtune::cli
