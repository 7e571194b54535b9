#include "tests/faults/torn_rename.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/faults/shim_gate.h"

namespace slmtune::faults {
namespace {

namespace fs = std::filesystem;

void put(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
  if (disk_model()) disk_model()->entries_changed(parent_of(path));
  pass_point(CallKind::kRename, path);
}

void move_file(const std::string& from, const std::string& to) {
  std::ifstream stream(from, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  put(to, "");
  put(to, text.substr(0, text.size() / 2));
  put(to, text);
  fs::remove(from);
}

void move_folder(const std::string& from, const std::string& to) {
  fs::create_directory(to);
  if (disk_model()) disk_model()->entries_changed(parent_of(to));
  pass_point(CallKind::kRename, to);
  for (const auto& entry : fs::directory_iterator(from)) {
    fs::rename(entry.path(), to / entry.path().filename());
    if (disk_model()) disk_model()->entries_changed(to);
    pass_point(CallKind::kRename, to);
  }
  fs::remove(from);
}

}  // namespace

int torn_rename(const std::string& from, const std::string& to, unsigned flags) {
  struct stat status;
  if (lstat(from.c_str(), &status) != 0) return -1;
  if (flags & RENAME_NOREPLACE && fs::exists(to)) {
    errno = EEXIST;
    return -1;
  }
  S_ISDIR(status.st_mode) ? move_folder(from, to) : move_file(from, to);
  return 0;
}

}  // namespace slmtune::faults
