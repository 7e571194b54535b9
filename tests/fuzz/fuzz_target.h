// What every fuzz target shares. A target is one function that reads hostile bytes; the file it
// stands in is linked with fuzzer_entry.cpp into a libFuzzer program of its own, and all of them
// with replay_main.cpp into one program that needs no clang.
//
//   const Target kTarget("gguf", [](std::string_view input) { … });
#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "tests/support/temp_folder.h"

namespace slmtune::fuzz {

// Registers itself. `run` returns when the input was read or refused; it throws or dies when a
// reader has a fault.
struct Target {
  using Run = void (*)(std::string_view input);
  Target(const char* name, Run run);
  const char* name;
  Run run;
};

inline std::vector<const Target*>& targets() {
  static std::vector<const Target*> all;
  return all;
}

inline Target::Target(const char* its_name, Run its_run) : name(its_name), run(its_run) {
  targets().push_back(this);
}

// A refusal with one of our codes is what a reader owes to a bad file; a broken invariant of ours
// is a fault.
template <typename Read>
void read_or_refuse(Read&& read) {
  try {
    read();
  } catch (const InternalError&) {
    throw;
  } catch (const Error&) {
  }
}

// The folder of this process, in which the inputs become files.
inline const std::filesystem::path& folder() {
  static const testing::TempFolder instance;
  return instance.path();
}

// The file `name` in it with this content. Removed and made anew, since some file systems wait for
// the disk when a file is cut and written again.
inline std::filesystem::path write_input(const char* name, std::string_view input) {
  const std::filesystem::path path = folder() / name;
  unlink(path.c_str());
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const bool whole =
      file >= 0 && write(file, input.data(), input.size()) == static_cast<ssize_t>(input.size());
  if (file >= 0) close(file);
  if (!whole) throw std::runtime_error("cannot write " + path.string());
  return path;
}

// Reads the first and the last byte, so that a view outside its file is noticed.
inline void touch(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  volatile std::byte last = bytes.front();
  last = bytes.back();
  (void)last;
}

}  // namespace slmtune::fuzz
