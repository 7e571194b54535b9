// How often a test repeats: a part of the count in a normal run, all of it in the slow one (ctest
// label slow, tests/CMakeLists.txt).
#pragma once
#include <cstdlib>
#include <string_view>

namespace slmtune::testing {

inline bool full_counts() {
  const char* counts = std::getenv("SLMTUNE_COUNTS");
  return counts != nullptr && std::string_view(counts) == "full";
}

}  // namespace slmtune::testing
