#include "export/parallel.h"

#include <algorithm>
#include <exception>
#include <thread>
#include <vector>

namespace slmtune::exporting {

void in_parallel(int64_t count, int64_t grain,
                 const std::function<void(int64_t first, int64_t last)>& work) {
  const int64_t cores = std::max(1u, std::thread::hardware_concurrency());
  const int64_t parts = std::clamp<int64_t>(count / grain, 1, cores);
  const int64_t share = ((count + parts - 1) / parts + grain - 1) / grain * grain;
  std::vector<std::exception_ptr> failures(static_cast<size_t>(parts));
  const auto run = [&](int64_t part) {
    const int64_t first = std::min(count, part * share), last = std::min(count, first + share);
    try {
      if (first < last) work(first, last);
    } catch (...) {
      failures[static_cast<size_t>(part)] = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int64_t part = 1; part < parts; ++part) threads.emplace_back(run, part);
    run(0);
  }
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace slmtune::exporting
