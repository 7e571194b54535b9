#include "tests/emulator/code_place.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>

namespace slmtune::emulator {
namespace {

std::string first_line_of(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  char text[1024] = "";
  const bool has_line = std::fgets(text, sizeof(text), pipe) != nullptr;
  pclose(pipe);
  std::string line = has_line ? text : "";
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
  return line;
}

}  // namespace

std::string code_place(const void* instruction) {
  Dl_info module{};
  if (instruction == nullptr || dladdr(instruction, &module) == 0) return "";
  // The call before the return address, in the file's own addresses.
  const auto offset =
      reinterpret_cast<uintptr_t>(instruction) - 1 - reinterpret_cast<uintptr_t>(module.dli_fbase);
  char command[256];
  std::snprintf(command, sizeof(command), "addr2line -e /proc/%d/exe 0x%zx 2>/dev/null",
                static_cast<int>(getpid()), static_cast<size_t>(offset));
  const std::string line = first_line_of(command);
  return line.empty() || line.starts_with("??") ? "" : ", at " + line;
}

}  // namespace slmtune::emulator
