#include "cli/snapshots_cmd.h"

#include <memory>

#include "cli/command_line.h"
#include "cli/option_checks.h"
#include "store/retention.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

using Options = std::shared_ptr<SnapshotsOptions>;

void add_store(CLI::App& command, const Options& options) {
  command.add_option("STORE", options->store,
                     "folder of the store (default: the folder you are in)");
  command.add_option("--store", options->store_flag, "the same as STORE");
}

void add_snapshot(CLI::App& command, const char* name, std::string& snapshot) {
  command.add_option(name, snapshot, "STORE#42, STORE#latest, or #42 inside a store")->required();
}

void add_home(CLI::App& command, const Options& options) {
  command.add_option("--store", options->store_flag,
                     "store that a bare #42 belongs to (default: the folder you are in)");
}

void add_reason(CLI::App& command, const Options& options) {
  command.add_option("--reason", options->reason,
                     "why, for the journal: --reason 'better on the golden set' (default: none)");
}

using Run = ExitCode (*)(const SnapshotsOptions& options, const Common& common);

void finish(CLI::App& command, Program& program, const Options& options, Run run,
            const std::string& example) {
  finish_command(command, program, example);
  command.callback([options, run, &program] {
    program.run = [options, run, &program] { return run(*options, program.common); };
  });
}

void setup_reading(CLI::App& group, Program& program) {
  auto options = std::make_shared<SnapshotsOptions>();
  CLI::App* list = group.add_subcommand("list", "one line per snapshot");
  add_store(*list, options);
  finish(*list, program, options, run_snapshots_list, "slmtune snapshots list runs/faq");
  CLI::App* show = group.add_subcommand("show", "origin, scores, files and moves of one snapshot");
  add_snapshot(*show, "SNAPSHOT", options->snapshot);
  add_home(*show, options);
  finish(*show, program, options, run_snapshots_show, "slmtune snapshots show runs/faq#latest");
  CLI::App* diff = group.add_subcommand(
      "diff", "what differs between two snapshots: origin, recipe, scores, files");
  add_snapshot(*diff, "A", options->snapshot);
  add_snapshot(*diff, "B", options->other);
  add_home(*diff, options);
  finish(*diff, program, options, run_snapshots_diff,
         "slmtune snapshots diff runs/faq#production runs/faq#latest");
}

void setup_moves(CLI::App& group, Program& program) {
  auto options = std::make_shared<SnapshotsOptions>();
  CLI::App* promote =
      group.add_subcommand("promote", "put a snapshot into production, after reading it through");
  add_snapshot(*promote, "SNAPSHOT", options->snapshot);
  add_home(*promote, options);
  add_reason(*promote, options);
  finish(*promote, program, options, run_snapshots_promote,
         "slmtune snapshots promote runs/faq#42 --reason 'better on the golden set'");
  CLI::App* rollback = group.add_subcommand(
      "rollback",
      "put the snapshot back into production that was there before; again: one further back");
  add_store(*rollback, options);
  add_reason(*rollback, options);
  finish(*rollback, program, options, run_snapshots_rollback,
         "slmtune snapshots rollback runs/faq --reason 'answers in the wrong language'");
}

void setup_verify(CLI::App& group, Program& program) {
  auto options = std::make_shared<SnapshotsOptions>();
  CLI::App* verify = group.add_subcommand(
      "verify", "read every file through and compare it with the hash it was published with");
  verify->add_option("SNAPSHOT", options->snapshot,
                     "STORE#42, #42 inside a store, or a store for all of it (default: the store "
                     "you are in)");
  verify->add_option("--store", options->store_flag,
                     "store to read through, or that a bare #42 belongs to (default: the folder "
                     "you are in)");
  verify
      ->add_option("--subset", options->subset,
                   "only part K of N of the snapshots, as K/N: for cron, which asks for another "
                   "part each time")
      ->capture_default_str();
  finish(*verify, program, options, run_snapshots_verify,
         "slmtune snapshots verify runs/faq --subset 1/4");
}

void setup_gc(CLI::App& group, Program& program) {
  auto options = std::make_shared<SnapshotsOptions>();
  options->weeks = store::kDefaultWeeks;
  CLI::App* gc = group.add_subcommand(
      "gc",
      "remove what is not needed any more: checkpoints of finished runs, exports of removed "
      "snapshots, and with --keep old snapshots");
  add_store(*gc, options);
  gc->add_option("--keep", options->keep,
                 "how many of the newest snapshots stay, besides those that an alias or the last "
                 "weeks name, as --keep 10 (default: all)")
      ->check(whole_number(1, 1 << 30));
  gc->add_option("--weeks", options->weeks,
                 "a snapshot stays that was in production in the last so many weeks")
      ->capture_default_str()
      ->check(whole_number(0, 10000));
  gc->add_flag("--dry-run", options->dry_run, "only show what would go (off by default)");
  finish_command(*gc, program, "slmtune snapshots gc runs/faq --keep 10 --dry-run");
  gc->callback([options, &program] {
    program.run = [options, &program] { return run_snapshots_gc(*options, program); };
  });
}

void setup_forget(CLI::App& group, Program& program) {
  auto options = std::make_shared<SnapshotsOptions>();
  CLI::App* forget = group.add_subcommand(
      "forget", "find every snapshot that was trained on certain rows, and withdraw them");
  add_store(*forget, options);
  forget->add_option("--where", options->where,
                     "rows whose field has this value, as FIELD=VALUE; may be given again "
                     "(default: none)");
  forget->add_option("--rows", options->rows,
                     "JSONL file of rows to look for, whole or by their 'id' (default: none)");
  forget->add_flag("--apply", options->apply,
                   "withdraw what is found: it cannot be promoted any more (off by default)");
  add_reason(*forget, options);
  finish(*forget, program, options, run_snapshots_forget,
         "slmtune snapshots forget runs/faq --where id=4711 --apply");
}

}  // namespace

fs::path store_path(const SnapshotsOptions& options) {
  if (!options.store.empty()) return options.store;
  return options.store_flag.empty() ? "." : options.store_flag;
}

SnapshotPlace place_of(const std::string& snapshot, const SnapshotsOptions& options) {
  size_t hash = snapshot.rfind('#');
  if (hash != std::string::npos && hash > 0)
    return {snapshot.substr(0, hash), snapshot.substr(hash)};
  fs::path folder = snapshot;
  if (fs::exists(folder / store::kManifestName)) {
    fs::path absolute = fs::canonical(folder);
    return {absolute.parent_path().parent_path(),
            "#" + std::to_string(store::read_manifest(folder).number)};
  }
  return {store_path(options), snapshot};
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void setup_snapshots(CLI::App& app, Program& program) {
  CLI::App* group = app.add_subcommand("snapshots",
                                       "what a store holds and what serves: list, show, diff, "
                                       "promote, rollback, verify, gc, forget")
                        ->require_subcommand(1);
  group->footer("Example:\n  slmtune snapshots list runs/faq");
  setup_reading(*group, program);
  setup_moves(*group, program);
  setup_verify(*group, program);
  setup_gc(*group, program);
  setup_forget(*group, program);
}

}  // namespace slmtune::cli
