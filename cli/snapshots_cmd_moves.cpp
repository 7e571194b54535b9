// snapshots promote | rollback | gc: what changes a store.
#include <fmt/format.h>

#include <chrono>

#include "cli/output.h"
#include "cli/snapshots_cmd.h"
#include "core/file_lock.h"
#include "core/log.h"
#include "core/text.h"
#include "store/retention.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;
using store::Holding;

std::string number_text(int64_t number) {
  return number ? fmt::format("#{}", number) : "nothing";
}

ExitCode report_move(const store::ProductionMove& move, const fs::path& store,
                     const Common& common) {
  for (const store::PassedOver& passed : move.passed)
    log_warning(fmt::format("#{} is passed over: {}", passed.number, passed.why));
  if (!common.json) {
    print_line(move.changed() ? fmt::format("production: {} (was {}); a rollback goes to {}",
                                            number_text(move.to), number_text(move.from),
                                            number_text(move.previous))
                              : fmt::format("production: #{}, as before", move.to));
    return ExitCode::kDone;
  }
  auto number = [](int64_t value) { return value ? OrderedJson(value) : OrderedJson(); };
  OrderedJson json = {{"schema", 1},
                      {"store", store.string()},
                      {"production", move.to},
                      {"was", number(move.from)},
                      {"previous", number(move.previous)},
                      {"changed", move.changed()},
                      {"passed_over", OrderedJson::array()}};
  for (const store::PassedOver& passed : move.passed)
    json["passed_over"].push_back({{"number", passed.number}, {"why", passed.why}});
  print_json(json);
  return ExitCode::kDone;
}

const char* kind_name(Holding::Kind kind) {
  switch (kind) {
    case Holding::Kind::kSnapshot:
      return "snapshot";
    case Holding::Kind::kExports:
      return "exports";
    case Holding::Kind::kCheckpoints:
      break;
  }
  return "checkpoints";
}

std::string holding_name(const Holding& holding) {
  return holding.number ? fmt::format("#{}", holding.number)
                        : holding.path.parent_path().filename().string();
}

struct Bytes {
  uint64_t gone = 0, kept = 0;
};

Bytes sum(const std::vector<Holding>& plan) {
  Bytes bytes;
  for (const Holding& holding : plan) (holding.goes ? bytes.gone : bytes.kept) += holding.bytes;
  return bytes;
}

OrderedJson plan_json(const std::vector<Holding>& plan) {
  OrderedJson json = OrderedJson::array();
  for (const Holding& holding : plan) {
    OrderedJson one = {{"kind", kind_name(holding.kind)}, {"path", holding.path.string()}};
    if (holding.number) one["number"] = holding.number;
    one["bytes"] = holding.bytes;
    one["goes"] = holding.goes;
    one["why"] = holding.why;
    json.push_back(std::move(one));
  }
  return json;
}

void print_plan(const std::vector<Holding>& plan, bool dry_run) {
  print_line(fmt::format("{:<11}  {:<22}  {:>10}  {:<5}  {}", "kind", "name", "size", "", "why"));
  for (const Holding& holding : plan)
    print_line(fmt::format("{:<11}  {:<22}  {:>10}  {:<5}  {}", kind_name(holding.kind),
                           shown(holding_name(holding)), human_bytes(holding.bytes),
                           holding.goes ? "goes" : "stays", holding.why));
  const Bytes bytes = sum(plan);
  print_line(fmt::format("{}: {}; {} stay", dry_run ? "would be removed" : "removed",
                         human_bytes(bytes.gone), human_bytes(bytes.kept)));
}

}  // namespace

ExitCode run_snapshots_promote(const SnapshotsOptions& options, const Common& common) {
  const SnapshotPlace place = place_of(options.snapshot, options);
  store::SnapshotStore store = store::SnapshotStore::open(place.store);
  return report_move(store.promote(store.number_of(place.reference), options.reason), place.store,
                     common);
}

ExitCode run_snapshots_rollback(const SnapshotsOptions& options, const Common& common) {
  const fs::path path = store_path(options);
  store::SnapshotStore store = store::SnapshotStore::open(path);
  return report_move(store.rollback(options.reason), path, common);
}

ExitCode run_snapshots_gc(const SnapshotsOptions& options, const Program& program) {
  const fs::path path = store_path(options);
  store::SnapshotStore store = store::SnapshotStore::open(path);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const store::RetentionRule rule{options.keep, options.weeks,
                                  std::chrono::duration_cast<std::chrono::seconds>(now).count()};
  std::vector<Holding> plan;
  if (options.dry_run) {
    plan = store::plan_retention(store, rule);
  } else {
    FileLock lock(store.lock_path(), program.line);
    store.sweep();
    plan = store::apply_retention(store, rule);
  }
  if (!program.common.json) {
    print_plan(plan, options.dry_run);
    return ExitCode::kDone;
  }
  const Bytes bytes = sum(plan);
  print_json({{"schema", 1},
              {"store", path.string()},
              {"dry_run", options.dry_run},
              {"keep", rule.keep ? OrderedJson(*rule.keep) : OrderedJson()},
              {"weeks", rule.weeks},
              {"holdings", plan_json(plan)},
              {"removed_bytes", bytes.gone},
              {"kept_bytes", bytes.kept}});
  return ExitCode::kDone;
}

}  // namespace slmtune::cli
