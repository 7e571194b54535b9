#include "core/shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace slmtune {

int64_t shape_elements(std::span<const int64_t> shape) {
  uint64_t elements = 1;  // wraps around where a file lies about a shape with a zero in it
  for (const int64_t size : shape) elements *= static_cast<uint64_t>(size);
  return static_cast<int64_t>(elements);
}

std::string shape_text(std::span<const int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace slmtune
