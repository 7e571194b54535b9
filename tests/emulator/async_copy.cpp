// Twins of kernels/cuda/async_copy.cuh: the bytes arrive when they are waited for; until then their
// target holds 0xFF and reading it is an error.
#include "tests/emulator/async_copies.h"

#include <cstring>
#include <deque>
#include <map>
#include <vector>

#include "tests/emulator/block_emulator.h"
// After the emulator, which it is compiled behind everywhere.
#include "kernels/cuda/async_copy.cuh"
#include "tests/emulator/access_check.h"

namespace slmtune::emulator {
namespace {

constexpr size_t kBytes = 16;

struct Copy {
  void* target;
  unsigned char bytes[kBytes];
};
struct Copies {
  std::vector<Copy> uncommitted;
  std::deque<std::vector<Copy>> groups;
};

std::map<unsigned, Copies>& copies_of_threads() {
  static std::map<unsigned, Copies> all;
  return all;
}
Copies& own_copies() {
  return copies_of_threads()[linear_thread()];
}

}  // namespace

void forget_async_copies() {
  copies_of_threads().clear();
}

}  // namespace slmtune::emulator

namespace slmtune::kernels {

using emulator::Access;
using emulator::check_access;

void copy_async(void* shared, const void* global, bool exists) {
  const auto both = reinterpret_cast<uintptr_t>(shared) |
                    (exists ? reinterpret_cast<uintptr_t>(global) : uintptr_t{0});
  if (both % emulator::kBytes != 0)
    emulator::fail("starts an asynchronous copy at an address that is no multiple of 16");
  emulator::Copy copy{shared, {}};
  check_access(shared, emulator::kBytes, Access::kUnderWay);
  std::memset(shared, 0xFF, emulator::kBytes);
  if (exists) {
    check_access(global, emulator::kBytes, Access::kRead);
    std::memcpy(copy.bytes, global, emulator::kBytes);
  }
  emulator::own_copies().uncommitted.push_back(copy);
}

void commit_copies() {
  emulator::Copies& own = emulator::own_copies();
  own.groups.push_back(std::move(own.uncommitted));
  own.uncommitted.clear();
}

void wait_for_pending_copies(int pending) {
  auto& groups = emulator::own_copies().groups;
  for (; groups.size() > static_cast<size_t>(pending); groups.pop_front())
    for (const emulator::Copy& copy : groups.front()) {
      check_access(copy.target, emulator::kBytes, Access::kWrite);
      std::memcpy(copy.target, copy.bytes, emulator::kBytes);
    }
}

}  // namespace slmtune::kernels
