#include "core/folder_removal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/internal/descriptor.h"

namespace slmtune {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHidden = ".removed-";

void remove_tree(const fs::path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (error) throw_io_error(folder.string(), "cannot remove", error.value());
}

// Entries of `folder` (none when it is missing) whose names begin with `prefix`.
std::vector<fs::path> entries_with(const fs::path& folder, const std::string& prefix) {
  std::vector<fs::path> found;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder, missing))
    if (entry.path().filename().string().starts_with(prefix)) found.push_back(entry.path());
  return found;
}

}  // namespace

void hide_folder(const fs::path& folder) {
  const fs::path hidden = folder.parent_path() / (kHidden + folder.filename().string());
  remove_tree(hidden);  // of an earlier folder of this name
  if (rename(folder.c_str(), hidden.c_str()) != 0) {
    if (errno == ENOENT) return;
    throw_io_error(folder.string(), "cannot remove", errno);
  }
  sync_folder(folder_of(folder));
}

int64_t remove_hidden(const fs::path& parent) {
  const std::vector<fs::path> hidden = entries_with(parent, kHidden);
  for (const fs::path& folder : hidden) remove_tree(folder);
  if (!hidden.empty()) sync_folder(parent);
  return static_cast<int64_t>(hidden.size());
}

int64_t remove_temporaries(const fs::path& folder) {
  int64_t removed = 0;
  for (const fs::path& path : entries_with(folder, ".")) {
    if (path.extension() != ".tmp") continue;
    // Whoever writes one holds its flock.
    Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (file.get() < 0 || flock(file.get(), LOCK_EX | LOCK_NB) != 0) continue;
    removed += unlink(path.c_str()) == 0;
  }
  return removed;
}

}  // namespace slmtune
