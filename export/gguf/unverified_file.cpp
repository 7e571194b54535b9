#include "export/gguf/unverified_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "core/atomic_file.h"
#include "core/disk_space.h"
#include "core/error.h"

namespace slmtune::exporting {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse_in_use(const fs::path& to) {
  throw IoError("W004", to.string(), "cannot create: this file is being written already",
                "wait until the other writer has ended");
}

// File systems without locks count as held by nobody.
bool is_held_by_another(int descriptor) {
  return flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

// What a process that was killed left behind gives its room back. False when a living one has it.
bool take_away(const fs::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  const bool is_free = descriptor < 0 || !is_held_by_another(descriptor);
  if (descriptor >= 0 && is_free) unlink(path.c_str());
  if (descriptor >= 0) close(descriptor);
  return is_free;
}

}  // namespace

UnverifiedFile::UnverifiedFile(fs::path to) : to_(std::move(to)) {
  if (std::error_code unreadable; to_.filename().empty() || fs::is_directory(to_, unreadable))
    throw IoError("W004", to_.string(), "cannot create: this is a folder", "name a file in it");
  hidden_ = folder_of(to_) / ("." + to_.filename().string() + ".unverified");
  // AtomicFile's name for it while it is written.
  const fs::path half = folder_of(to_) / ("." + hidden_.filename().string() + ".tmp");
  if (!take_away(hidden_) || !take_away(half)) refuse_in_use(to_);
}

UnverifiedFile::~UnverifiedFile() {
  if (is_published_) return;
  if (descriptor_ < 0) {
    take_away(hidden_);
    return;
  }
  if (is_mine()) unlink(hidden_.c_str());
  close(descriptor_);
}

void UnverifiedFile::check_room(uint64_t bytes) const {
  check_free_space(existing_folder(folder_of(to_)), bytes, "the export");
}

void UnverifiedFile::hold() {
  if (descriptor_ >= 0) return;
  descriptor_ = open(hidden_.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor_ < 0) throw_io_error(to_.string(), "cannot open the written file", errno);
  if (!is_held_by_another(descriptor_) && is_mine()) return;
  close(std::exchange(descriptor_, -1));
  refuse_in_use(to_);
}

void UnverifiedFile::publish() {
  hold();
  if (!is_mine()) refuse_in_use(to_);
  std::error_code failure;
  fs::rename(hidden_, to_, failure);
  if (failure)
    throw_io_error(to_.string(), "cannot put the finished file in place", failure.value());
  is_published_ = true;
  close(std::exchange(descriptor_, -1));
  sync_folder(folder_of(to_));
}

// Nobody has put another file under the hidden name.
bool UnverifiedFile::is_mine() const {
  struct stat held, named;
  return fstat(descriptor_, &held) == 0 && lstat(hidden_.c_str(), &named) == 0 &&
         held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

}  // namespace slmtune::exporting
