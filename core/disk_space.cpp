#include "core/disk_space.h"

#include <sys/statvfs.h>

#include <cerrno>

#include "core/error.h"
#include "core/text.h"

namespace slmtune {

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
                  "free some space or write to another disk");
}

}  // namespace slmtune
