#include "kernels/huge_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace slmtune::kernels {
namespace {

constexpr uintptr_t kHugePage = uintptr_t{2} << 20;

bool is_for_later = false;
uintptr_t heap_begin = 0;  // of what came after leave_huge_pages_for_later()

uintptr_t heap_end() {
  return reinterpret_cast<uintptr_t>(sbrk(0));
}

}  // namespace

// Grows the heap once, so that the wish holds for what will be allocated; untouched pages cost
// nothing.
void use_huge_pages() {
  const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_bytes <= 0) return;
  constexpr size_t kMost = size_t{16} << 30;
  const size_t bytes =
      std::min(static_cast<size_t>(pages) * static_cast<size_t>(page_bytes) / 2, kMost);
  void* range = std::malloc(bytes);
  if (!range) return;
  const uintptr_t grown = reinterpret_cast<uintptr_t>(range);
  const bool continues = heap_begin != 0 && heap_begin < grown && grown + bytes <= heap_end();
  const uintptr_t first = continues ? heap_begin : grown;
  const uintptr_t begin = (first + kHugePage - 1) / kHugePage * kHugePage;
  const uintptr_t end = (grown + bytes) / kHugePage * kHugePage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
  std::free(range);
}

void leave_huge_pages_for_later() {
  is_for_later = true;
  heap_begin = heap_end();
}

bool are_huge_pages_for_later() {
  return is_for_later;
}

}  // namespace slmtune::kernels
