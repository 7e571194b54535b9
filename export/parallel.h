// Splits independent work over the processor's threads; for converting and comparing tensors.
#pragma once
#include <cstdint>
#include <functional>

namespace slmtune::exporting {

// Calls work(first, last) for ranges that cover 0 … count-1 and start at multiples of `grain`, the
// least work that is worth a thread. Returns when all are done; the first exception of any of them
// is thrown again.
void in_parallel(int64_t count, int64_t grain,
                 const std::function<void(int64_t first, int64_t last)>& work);

}  // namespace slmtune::exporting
