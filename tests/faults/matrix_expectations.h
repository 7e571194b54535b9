// What every operation must stand: no bad state after any fault, and no sync or rename that could
// be left out unnoticed.
#pragma once
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "tests/faults/fault_matrix.h"

namespace slmtune::faults {

inline void expect_no_bad_state(const std::vector<Operation>& operations) {
  std::map<std::string, int64_t> cases;
  int64_t total = 0;
  for (const Operation& operation : operations) {
    const Findings findings = run_matrix(operation);
    EXPECT_GT(findings.total(), 0) << operation.name;
    for (const std::string& problem : findings.problems) ADD_FAILURE() << problem;
    std::printf("%-32s %6ld cases, %zu bad states\n", operation.name.c_str(),
                static_cast<long>(findings.total()), findings.problems.size());
    for (const auto& [fault, count] : findings.cases) cases[fault] += count;
    total += findings.total();
  }
  for (const auto& [fault, count] : cases)
    std::printf("  %-20s %6ld\n", fault.c_str(), static_cast<long>(count));
  std::printf("  %-20s %6ld\n", "all", static_cast<long>(total));
}

// At least `least` places; each must be missed in some operation.
template <class Wanted>
void expect_every_place_needed(const std::vector<Operation>& operations, size_t least,
                               Wanted wanted) {
  std::map<const void*, Mutant> places;
  for (const Operation& operation : operations)
    for (const Mutant& mutant : run_mutants(operation, wanted)) {
      Mutant& known = places.try_emplace(mutant.address, mutant).first->second;
      if (known.evidence.empty()) known.evidence = mutant.evidence;
    }
  size_t missed = 0;
  for (const auto& [address, mutant] : places) {
    missed += !mutant.evidence.empty();
    EXPECT_FALSE(mutant.evidence.empty()) << mutant.place << " can be left out unnoticed";
    std::printf("  without %s: %s\n", mutant.place.c_str(), mutant.evidence.c_str());
  }
  std::printf("%zu of %zu mutants killed\n", missed, places.size());
  EXPECT_GE(places.size(), least);
}

}  // namespace slmtune::faults
