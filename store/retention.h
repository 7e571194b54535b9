// What a store may throw away: `slmtune snapshots gc`. Without `keep` only what can be made again:
// checkpoints of finished runs and exports of snapshots that are gone; with it, snapshots as well.
//
// A snapshot stays when it is one of the newest `keep`, when an alias names it, when the journal
// says that it was put into production or deployed, or taken out again, in the last `weeks`, when
// it is the last one that was deployed to a target, or when another snapshot (of this store or of
// one beside it) is trained on it as its base. A withdrawn one stays only for these reasons but the
// first. Exports stay with their snapshot, so that a target always finds its file.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "store/snapshot_store.h"

namespace slmtune::store {

inline constexpr int64_t kDefaultWeeks = 8;

struct RetentionRule {
  std::optional<int64_t> keep;    // newest snapshots that stay; absent: all but withdrawn ones
  int64_t weeks = kDefaultWeeks;  // in production or deployed then: stays
  int64_t now = 0;                // seconds since 1970, UTC
};

struct Holding {
  enum class Kind { kSnapshot, kExports, kCheckpoints };
  Kind kind = Kind::kSnapshot;
  int64_t number = 0;  // of the snapshot; 0 for checkpoints
  std::filesystem::path path;
  uint64_t bytes = 0;
  bool goes = false;
  std::string why;  // it goes or stays
};

// Everything that the rule decides about: snapshots by number, exports, checkpoints.
std::vector<Holding> plan_retention(const SnapshotStore& store, const RetentionRule& rule);

// Plans and removes what goes. Until its folder is renamed each thing is whole, after that it is
// gone for everybody; a crash leaves only hidden folders, which the next call deletes. The caller
// holds the store's lock.
std::vector<Holding> apply_retention(SnapshotStore& store, const RetentionRule& rule);

// Seconds since 1970 of "2026-01-31T09:05:07Z"; nothing for another form.
std::optional<int64_t> seconds_of_utc(const std::string& text);

}  // namespace slmtune::store
