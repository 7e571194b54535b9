// Sizes → bins of at most `budget`: as few bins as can be found, then as equal as can be. Used for
// the rows of a step (data/packer.h).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace slmtune::data {

// Indices into `sizes` by bin. Larger sizes than the budget get a bin of their own, in front. The
// number of bins is that of first-fit decreasing or less; within a bin, and of the bins, the order
// is by size. Deterministic; O(n log n).
//
// Sources: first-fit decreasing (Johnson 1973); largest first into the least filled bin (Graham
// 1969); after that single sizes are moved or exchanged while that lowers the fullest bin.
//
// With `multiple_of` above 1 the number of bins is raised to a multiple of it, as far as there are
// sizes to fill them.
std::vector<std::vector<size_t>> pack_bins(std::span<const int64_t> sizes, int64_t budget,
                                           size_t multiple_of = 1);

}  // namespace slmtune::data
