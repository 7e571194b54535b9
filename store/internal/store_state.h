// What the parts of SnapshotStore look at together.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "store/snapshot_store.h"

namespace slmtune::store {

struct SnapshotStore::State {
  Journal journal;
  Aliases aliases;  // with `latest` as it is
  std::vector<int64_t> published;
  std::set<int64_t> withdrawn;
};

using Refused = std::map<int64_t, std::string>;  // number → why

// Newest entry of the history before its last one that may go into production again; 0 = none.
// `passed` gets what was not good enough.
int64_t step_back(const SnapshotStore& store, const std::vector<int64_t>& history,
                  const std::set<int64_t>& withdrawn, const Refused& refused = {},
                  std::vector<PassedOver>* passed = nullptr);

}  // namespace slmtune::store
