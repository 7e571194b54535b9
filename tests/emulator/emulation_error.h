// What a launch throws when a kernel breaks a rule (block_emulator.h has the list).
#pragma once
#include <stdexcept>

namespace slmtune::emulator {

struct EmulationError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace slmtune::emulator
