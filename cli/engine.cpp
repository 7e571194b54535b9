#include "cli/engine.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/version.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& file, const std::string& what) {
  throw UnavailableError("G005", file.string(), what,
                         "the program and libslmtune_engine.so are built and installed together; "
                         "build or install both again");
}

// Idle OpenMP threads sleep instead of spinning. By default libgomp spins for milliseconds after
// each parallel region; when any other program wants a core, the threads of a step then wait for
// each other (measured: 5 times slower beside a build on two cores). libgomp reads this when it is
// loaded, which is with the engine. 1000 turns are a few microseconds: short gaps cost nothing.
void limit_spinning() {
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) setenv("GOMP_SPINCOUNT", "1000", 0);
}

const Engine& open_engine() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path file = program.parent_path() / "libslmtune_engine.so";
  if (!fs::exists(file, error)) refuse(file, "this part of the program is missing");
  limit_spinning();
  void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (handle == nullptr) {
    const char* reason = dlerror();
    refuse(file, std::string("cannot be loaded: ") + (reason ? reason : "unknown reason"));
  }
  using Entry = const Engine* (*)(std::string_view version);
  auto entry = reinterpret_cast<Entry>(dlsym(handle, "slmtune_engine"));
  const Engine* found = entry ? entry(version()) : nullptr;
  if (found == nullptr) refuse(file, "belongs to another build of slmtune");
  return *found;
}

}  // namespace

const Engine& engine() {
  static const Engine& opened = open_engine();
  return opened;
}

}  // namespace slmtune::cli
