#include "kernels/cpu_count.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace slmtune::kernels {
namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

int cores_in_affinity_mask() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return 1;
  std::set<std::string> cores;  // siblings share one line, e.g. "0,8"
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &mask)) continue;
    const std::string name = "cpu" + std::to_string(cpu);
    const std::string siblings =
        first_line("/sys/devices/system/cpu/" + name + "/topology/thread_siblings_list");
    cores.insert(siblings.empty() ? name : siblings);
  }
  return std::max<int>(1, static_cast<int>(cores.size()));
}

// The quota file of this process's cgroup or of the nearest parent that has one.
int quota_of_cgroup() {
  std::ifstream list("/proc/self/cgroup");
  int least = 0;
  for (std::string line; std::getline(list, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool v2 = controllers.empty(),
               v1 = controllers.find("cpu") == 0 && controllers.find("cpuset") != 0;
    if (!v1 && !v2) continue;
    const fs::path root = v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
    for (fs::path group = fs::path(line.substr(second + 1)).relative_path();;
         group = group.parent_path()) {
      const fs::path folder = root / group;
      const int cores = v2 ? quota_cores(first_line(folder / "cpu.max"))
                           : quota_cores(first_line(folder / "cpu.cfs_quota_us") + " " +
                                         first_line(folder / "cpu.cfs_period_us"));
      if (cores > 0) least = least == 0 ? cores : std::min(least, cores);
      if (group.empty()) break;
    }
  }
  return least;
}

}  // namespace

int quota_cores(std::string_view text) {
  long quota = 0, period = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, quota);
  if (error != std::errc() || quota <= 0 || rest == end) return 0;
  if (std::from_chars(rest + 1, end, period).ec != std::errc() || period <= 0) return 0;
  return static_cast<int>(std::min<long>((quota + period - 1) / period, 4096));
}

int usable_cores() {
  const int quota = quota_of_cgroup(), cores = cores_in_affinity_mask();
  return quota > 0 ? std::min(quota, cores) : cores;
}

}  // namespace slmtune::kernels
