// Idle OpenMP threads sleep instead of spinning. By default libgomp spins for milliseconds after each parallel region; when
// any other program wants a core, the two threads of a step then wait for each other (measured: 5 times slower beside a
// build on two cores). libgomp reads its settings from the environment in its own start-up code, before main() and before
// the constructors of this program, so the program starts itself once more with the setting in place. Functions in
// .preinit_array run before the start-up code of any library: what is thrown away is 10 ms of dynamic linking.
#include <limits.h>
#include <string.h>
#include <unistd.h>

namespace {

constexpr char kSpinCount[] = "GOMP_SPINCOUNT=1000";  // a few microseconds: short gaps between regions cost nothing

bool is_set(char** environment, const char* name) {
  const size_t length = strlen(name);
  for (char** entry = environment; *entry; ++entry)
    if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=') return true;
  return false;
}

// No allocation and no C++ library: neither is ready yet. When anything fails the program goes on as it is.
void limit_spinning(int, char** arguments, char** environment) {
  if (is_set(environment, "GOMP_SPINCOUNT") || is_set(environment, "OMP_WAIT_POLICY")) return;
  constexpr size_t kMostEntries = 8192;
  static char* extended[kMostEntries + 2];
  size_t count = 0;
  for (; environment[count]; ++count) {
    if (count == kMostEntries) return;
    extended[count] = environment[count];
  }
  extended[count] = const_cast<char*>(kSpinCount);
  static char program[PATH_MAX];  // the real path: started as /proc/self/exe it would be listed as "exe"
  const ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
  if (length > 0) execve(program, arguments, extended);
}

[[gnu::section(".preinit_array"), gnu::used]] void (*const run_first)(int, char**, char**) = limit_spinning;

}  // namespace
