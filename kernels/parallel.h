// Loops over LibTorch's threads. at::parallel_for is a template that uses threads only where the
// compiler has OpenMP switched on, and runs serially without a word elsewhere; here it is compiled
// once, with it.
//
//   parallel_for(0, rows, 16, [&](int64_t begin, int64_t end) { … });
#pragma once
#include <cstdint>
#include <functional>

namespace slmtune::kernels {

// Elements of a row-wise loop below which a second thread costs more than it saves.
constexpr int64_t kElementsPerTask = 16384;

// Calls body(begin, end) on even parts of begin … end-1, each of at least `grain` (but for the
// last), side by side; returns when all are done. Inside another parallel_for it runs serially. The
// first exception of a part is thrown again here. What is computed must not depend on the parts.
void parallel_for(int64_t begin, int64_t end, int64_t grain,
                  const std::function<void(int64_t, int64_t)>& body);

// Threads that parallel_for would use here: 1 inside another one.
int64_t thread_count();

}  // namespace slmtune::kernels
