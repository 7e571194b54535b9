// Whether a store is as it was written: every file of its snapshots, the journal, the aliases.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "core/error.h"
#include "store/snapshot_store.h"

namespace slmtune::store {

struct CheckedSnapshot {
  int64_t number = 0;
  uint64_t bytes = 0;  // that were read
  std::vector<Diagnostic> problems;
};

struct StoreCheck {
  std::vector<CheckedSnapshot> snapshots;
  int64_t journal_lines = 0;        // that are whole
  std::vector<int64_t> torn_lines;  // of the journal, cut off by a crash: passed over, no problem
  // S007 aliases, S010 an alias names nothing, S008 or a withdrawn snapshot, S012 journal
  std::vector<Diagnostic> problems;
  uint64_t bytes = 0;
  double seconds = 0;  // that reading and hashing took
};

// One part of `parts`: the snapshots whose number leaves the remainder `part` - 1.
struct Subset {
  int64_t part = 1, parts = 1;
};

// Gets the number of a snapshot that is being read and the bytes read so far of all; one call at a
// time.
using CheckProgress = std::function<void(int64_t number, uint64_t bytes)>;

// Reads up to four snapshots at a time. The results have the order of `numbers`.
StoreCheck check_store(const SnapshotStore& store, const std::vector<int64_t>& numbers,
                       const CheckProgress& progress = {});

std::vector<int64_t> subset_of(const std::vector<int64_t>& numbers, const Subset& subset);

// The problems of everything, snapshots first; what verify ends with.
std::vector<Diagnostic> all_problems(const StoreCheck& check);

}  // namespace slmtune::store
