// Idle OpenMP threads sleep instead of spinning. By default libgomp spins for milliseconds after each parallel region; when
// any other program wants a core, the two threads of a step then wait for each other (measured: 5 times slower beside a
// build on two cores). libgomp reads its settings in its own start-up code, before main() and before the constructors of
// this program; only functions in .preinit_array run earlier.
#include <cstdlib>

namespace {

void limit_spinning(int, char**, char**) {
  constexpr int kKeepTheUsersValue = 0;
  setenv("GOMP_SPINCOUNT", "1000", kKeepTheUsersValue);  // a few microseconds: short gaps between regions cost nothing
}

[[gnu::section(".preinit_array"), gnu::used]] void (*const run_first)(int, char**, char**) = limit_spinning;

}  // namespace
