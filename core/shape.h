// Shapes of stored tensors, without LibTorch: row-major sizes, all positive or zero.
#pragma once
#include <cstdint>
#include <span>
#include <string>

namespace slmtune {

// 1 without sizes. The product must fit, which the readers check of files.
int64_t shape_elements(std::span<const int64_t> shape);

// "[2, 3]"
std::string shape_text(std::span<const int64_t> shape);

}  // namespace slmtune
