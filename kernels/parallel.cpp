#include "kernels/parallel.h"

#include <ATen/Parallel.h>

namespace slmtune::kernels {

void parallel_for(int64_t begin, int64_t end, int64_t grain,
                  const std::function<void(int64_t, int64_t)>& body) {
  at::parallel_for(begin, end, grain, body);
}

int64_t thread_count() {
  return at::in_parallel_region() ? 1 : at::get_num_threads();
}

}  // namespace slmtune::kernels
