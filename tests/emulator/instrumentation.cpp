// What -fsanitize=thread makes the compiler call at every access of a kernel's code, and
// -fsanitize=alignment at one through a misaligned pointer, in place of those sanitizers' own
// libraries.
#include <cstddef>
#include <cstdint>
#include <sstream>

#include "tests/emulator/access_check.h"
#include "tests/emulator/scheduler.h"
#include "tests/emulator/team.h"

namespace slmtune::emulator {
namespace {

void report(const void* address, size_t bytes, Access access, const void* code) {
  const Team* team = running_team();
  if (team == nullptr || !team->is_checking()) return;
  check_access(address, bytes, access, code);
}

// What -fsanitize=alignment passes first.
struct PlaceInSource {
  const char* file;
  uint32_t line, column;
};

}  // namespace
}  // namespace slmtune::emulator

using slmtune::emulator::Access;
using slmtune::emulator::PlaceInSource;
using slmtune::emulator::report;

#define SLMTUNE_ACCESS_OF(bytes)                                         \
  void __tsan_read##bytes(void* address) {                               \
    report(address, bytes, Access::kRead, __builtin_return_address(0));  \
  }                                                                      \
  void __tsan_write##bytes(void* address) {                              \
    report(address, bytes, Access::kWrite, __builtin_return_address(0)); \
  }                                                                      \
  void __tsan_unaligned_read##bytes(void* address) {                     \
    report(address, bytes, Access::kRead, __builtin_return_address(0));  \
  }                                                                      \
  void __tsan_unaligned_write##bytes(void* address) {                    \
    report(address, bytes, Access::kWrite, __builtin_return_address(0)); \
  }

extern "C" {

SLMTUNE_ACCESS_OF(1)
SLMTUNE_ACCESS_OF(2)
SLMTUNE_ACCESS_OF(4)
SLMTUNE_ACCESS_OF(8)
SLMTUNE_ACCESS_OF(16)

void __tsan_read_range(void* address, size_t bytes) {
  report(address, bytes, Access::kRead, __builtin_return_address(0));
}
void __tsan_write_range(void* address, size_t bytes) {
  report(address, bytes, Access::kWrite, __builtin_return_address(0));
}

#ifndef __SANITIZE_ADDRESS__
// A card refuses an access to an address that is no multiple of its size; this one is of a type's.
void __ubsan_handle_type_mismatch_v1(const PlaceInSource* place, void* address) {
  const slmtune::emulator::Team* team = slmtune::emulator::running_team();
  if (team == nullptr || !team->is_checking()) return;
  std::ostringstream text;
  text << "accesses " << address << ", which is no multiple of the type's alignment, at "
       << place->file << ":" << place->line;
  slmtune::emulator::fail(text.str());
}
#endif

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

}  // extern "C"
