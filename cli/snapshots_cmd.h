// The subcommands of `slmtune snapshots`. snapshots_cmd.cpp declares their options; what they do is
// in snapshots_cmd_<what>.cpp.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "store/snapshot_store.h"

namespace slmtune::cli {

struct SnapshotsOptions {
  std::string store;               // STORE of list, rollback, gc, forget
  std::string snapshot, other;     // SNAPSHOT; A and B of diff
  std::string store_flag;          // --store
  std::string reason;              // of promote, rollback, forget
  std::optional<int64_t> keep;     // of gc
  int64_t weeks = 0;               // of gc
  bool dry_run = false;            // of gc
  std::string subset = "1/1";      // of verify
  std::vector<std::string> where;  // of forget: FIELD=VALUE
  std::string rows;                // of forget: JSONL file
  bool apply = false;              // of forget
};

ExitCode run_snapshots_list(const SnapshotsOptions& options, const Common& common);
ExitCode run_snapshots_show(const SnapshotsOptions& options, const Common& common);
ExitCode run_snapshots_diff(const SnapshotsOptions& options, const Common& common);
ExitCode run_snapshots_promote(const SnapshotsOptions& options, const Common& common);
ExitCode run_snapshots_rollback(const SnapshotsOptions& options, const Common& common);
ExitCode run_snapshots_verify(const SnapshotsOptions& options, const Common& common);
ExitCode run_snapshots_gc(const SnapshotsOptions& options, const Program& program);
ExitCode run_snapshots_forget(const SnapshotsOptions& options, const Common& common);

// The store that STORE or --store names; the folder the user is in without them.
std::filesystem::path store_path(const SnapshotsOptions& options);

// Store and "#number" or alias of STORE#42, #42 or a snapshot's folder. S005.
struct SnapshotPlace {
  std::filesystem::path store;
  std::string reference;
};
SnapshotPlace place_of(const std::string& snapshot, const SnapshotsOptions& options);

// "a, b"
std::string joined(const std::vector<std::string>& names);

}  // namespace slmtune::cli
