#include "core/disk_space.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <system_error>

#include "core/error.h"
#include "core/text.h"

namespace slmtune {
namespace {

constexpr const char* kFullHelp = "free some space or write to another disk";

}  // namespace

void check_free_space(const std::filesystem::path& folder, uint64_t needed_bytes,
                      std::string_view what) {
  struct statvfs status;
  if (statvfs(folder.c_str(), &status) != 0)
    throw_io_error(folder.string(), "cannot read the free space", errno);
  const uint64_t free_bytes = uint64_t{status.f_bavail} * status.f_frsize;
  if (free_bytes < needed_bytes)
    throw IoError("W002", folder.string(),
                  std::string(what) + " needs " + human_bytes(needed_bytes) + " and " +
                      human_bytes(free_bytes) + " are free",
                  kFullHelp);
}

std::filesystem::path existing_folder(const std::filesystem::path& folder) {
  std::error_code ignored;
  std::filesystem::path found = std::filesystem::absolute(folder).lexically_normal();
  while (found.has_relative_path() && !std::filesystem::is_directory(found, ignored))
    found = found.parent_path();
  return found;
}

void throw_disk_full(const std::filesystem::path& path, uint64_t needed_bytes) {
  std::string what = "the disk is full";
  struct statvfs status;
  if (statvfs(existing_folder(path).c_str(), &status) == 0) {
    if (needed_bytes == 0) needed_bytes = status.f_bsize;
    what += ": " + human_bytes(needed_bytes) + " still to write, " +
            human_bytes(uint64_t{status.f_bavail} * status.f_frsize) + " free";
    if (status.f_files > 0 && status.f_favail == 0) what += ", and no room for another file name";
  }
  throw IoError("W002", path.string(), what, kFullHelp);
}

}  // namespace slmtune
