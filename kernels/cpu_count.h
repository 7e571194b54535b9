// Cores that this process may use, for the size of the thread pool.
#pragma once
#include <string_view>

namespace slmtune::kernels {

// Physical cores in the affinity mask (a hyper-threading sibling adds nothing to matrix
// arithmetic), cut to the cgroup's CPU quota (v2 cpu.max, v1 cfs_quota). At least 1.
int usable_cores();

// Cores that a quota of a cgroup allows, rounded up; 0 = no limit. `text` is "max 100000" or
// "150000 100000".
int quota_cores(std::string_view text);

}  // namespace slmtune::kernels
