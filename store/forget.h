// Which snapshots have seen certain rows, from the row indexes alone: the data files may have
// changed or be gone.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "store/row_index.h"
#include "store/snapshot_store.h"

namespace slmtune::store {

// One row that is looked for: any of these digests tells it (the whole row, or a field of it).
using SoughtRow = std::vector<RowDigest>;

struct SeenRows {
  SnapshotInfo info;
  int64_t trained = 0;    // of the sought rows: among its own training rows
  int64_t inherited = 0;  // only among those of a snapshot that training went on from
};

struct RowSearch {
  std::vector<SeenRows> seen;          // by number
  std::vector<int64_t> unknown;        // without an index, or with one that is not complete
  std::vector<std::string> elsewhere;  // snapshots of other stores that training went on from
};

RowSearch find_rows(const SnapshotStore& store, const std::vector<SoughtRow>& rows);

// Folders of the snapshots of `store` whose weights a snapshot with this parent (folder, may be
// empty) and base folder goes on from.
std::vector<std::filesystem::path> origins_in(const SnapshotStore& store,
                                              const std::vector<std::filesystem::path>& folders);

}  // namespace slmtune::store
