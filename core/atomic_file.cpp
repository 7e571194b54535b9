#include "core/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <vector>

#include "core/error.h"
#include "core/internal/descriptor.h"
#include "core/text.h"

namespace slmtune {
namespace {

namespace fs = std::filesystem;

// False when somebody else holds it. File systems without locks count as nobody.
bool lock_at_once(int descriptor) {
  return flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

bool is_file_at(int descriptor, const fs::path& path) {
  struct stat opened, named;
  return fstat(descriptor, &opened) == 0 && lstat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;  // unreadable counts as absent: the next call says why
  return fs::is_directory(path, ignored);
}

// The temporary is held by flock while it is written, so one that a dead process left is told from
// one in use. Whoever holds the lock of the file that has the name is the only one who may unlink
// it. Returns -1 when another writer holds it.
int create_temporary(const fs::path& temporary) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    Descriptor made(open_fully(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644));
    if (made.get() >= 0) {
      if (lock_at_once(made.get()) && is_file_at(made.get(), temporary)) return made.release();
      continue;  // taken for one left behind, before the lock was there
    }
    if (errno != EEXIST)
      throw_io_error(temporary.parent_path().string(), "cannot create a file here", errno);
    Descriptor left_behind(open_fully(temporary, O_WRONLY | O_NOFOLLOW));
    if (left_behind.get() >= 0 && !lock_at_once(left_behind.get())) return -1;
    if (left_behind.get() < 0 || is_file_at(left_behind.get(), temporary))
      unlink(temporary.c_str());
  }
  return -1;
}

// Has the disk begin with every piece of a large file as soon as it is there, so that the fsync at
// the end finds little to do: what makes the file and the disk work at the same time.
void start_writing_back(int descriptor, uint64_t before, uint64_t after) {
  constexpr uint64_t kPiece = 32 << 20;
  const uint64_t first = before / kPiece * kPiece, last = after / kPiece * kPiece;
  if (last > first)
    sync_file_range(descriptor, static_cast<off_t>(first), static_cast<off_t>(last - first),
                    SYNC_FILE_RANGE_WRITE);
}

// Opens `path` for appending, and says whether that made it.
Descriptor open_for_appending(const fs::path& path, bool& is_new) {
  int descriptor = open_fully(path, O_RDWR | O_APPEND);
  is_new = descriptor < 0 && errno == ENOENT;
  if (is_new) descriptor = open_fully(path, O_RDWR | O_APPEND | O_CREAT, 0644);
  if (descriptor < 0) throw_io_error(path.string(), "cannot open", errno);
  return Descriptor(descriptor);
}

}  // namespace

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  if (path_.filename().empty() || is_folder(path_))
    throw IoError("W004", path_.string(), "cannot create: this is a folder", "name a file in it");
  temporary_ = folder_of(path_) / ("." + path_.filename().string() + ".tmp");
  descriptor_ = create_temporary(temporary_);
  if (descriptor_ < 0)
    throw IoError("W004", path_.string(), "cannot create: this file is being written already",
                  "wait until the other writer has ended");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  SLMTUNE_ASSERT(descriptor_ >= 0, "write after commit");
  write_fully(descriptor_, bytes, path_.string());
  start_writing_back(descriptor_, written_, written_ + bytes.size());
  written_ += bytes.size();
}

void AtomicFile::write(std::string_view text) {
  write(std::as_bytes(std::span(text)));
}

void AtomicFile::commit() {
  SLMTUNE_ASSERT(descriptor_ >= 0, "commit twice");
  sync_fully(descriptor_, path_.string(), written_);
  // Renamed while still open: the destructor removes the temporary if this fails.
  if (rename(temporary_.c_str(), path_.c_str()) != 0)
    throw_io_error(path_.string(), "cannot put the finished file in place", errno);
  close(descriptor_);
  descriptor_ = -1;
  sync_folder(folder_of(path_));
}

void write_file(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void make_folder(const fs::path& folder) {
  if (folder.empty() || is_folder(folder)) return;
  if (folder.filename().empty()) return make_folder(folder.parent_path());  // "a/b/"
  make_folder(folder.parent_path());
  if (mkdir(folder.c_str(), 0755) != 0) {
    if (errno == EEXIST && is_folder(folder)) return;  // somebody else was faster
    throw_io_error(folder.string(), "cannot create the folder", errno);
  }
  sync_folder(folder_of(folder));
}

void sync_folder(const fs::path& folder) {
  Descriptor descriptor(open_fully(folder, O_RDONLY | O_DIRECTORY));
  if (descriptor.get() < 0) throw_io_error(folder.string(), "cannot open the folder", errno);
  // Some network file systems cannot sync a folder and say EINVAL; the rename itself has worked.
  sync_fully(descriptor.get(), folder.string(), 0, EINVAL);
}

void sync_file(const fs::path& path) {
  Descriptor descriptor = open_for_reading(path);
  sync_fully(descriptor.get(), path.string(), 0);
}

void publish_folder(const fs::path& from, const fs::path& to) {
  sync_folder(from);
  bool failed = renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0;
  if (failed && (errno == EINVAL || errno == ENOSYS)) {  // file systems without RENAME_NOREPLACE
    const bool is_taken = access(to.c_str(), F_OK) == 0;
    failed = is_taken || rename(from.c_str(), to.c_str()) != 0;
    if (is_taken) errno = EEXIST;
  }
  if (failed) throw_io_error(to.string(), "cannot put the finished folder in place", errno);
  sync_folder(folder_of(to));
}

void append_line(const fs::path& path, std::string_view line, bool durable) {
  SLMTUNE_ASSERT(line.find('\n') == std::string_view::npos, "more than one line");
  bool is_new = false;
  Descriptor file = open_for_appending(path, is_new);
  std::string text(line);
  text += '\n';
  // A crash may have left half a line at the end: the new one starts on its own line.
  char last = '\n';
  off_t size = lseek(file.get(), 0, SEEK_END);
  if (size > 0 && pread(file.get(), &last, 1, size - 1) == 1 && last != '\n')
    text.insert(0, 1, '\n');
  write_fully(file.get(), std::as_bytes(std::span(text)), path.string());
  if (!durable) return;
  sync_fully(file.get(), path.string(), text.size());
  if (is_new) sync_folder(folder_of(path));
}

void append_bytes(const fs::path& path, std::string_view bytes) {
  bool is_new = false;
  Descriptor file = open_for_appending(path, is_new);
  write_fully(file.get(), std::as_bytes(std::span(bytes)), path.string());
}

void copy_file_atomically(const fs::path& from, const fs::path& to) {
  Descriptor source = open_for_reading(from);
  AtomicFile target(to);
  std::vector<std::byte> buffer(1 << 20);
  while (size_t count = read_fully(source.get(), buffer, from.string()))
    target.write(std::span<const std::byte>(buffer).first(count));
  target.commit();
}

std::string read_text_file(const fs::path& path, uint64_t limit_bytes) {
  Descriptor file = open_for_reading(path);
  struct stat status;
  if (fstat(file.get(), &status) != 0) throw_io_error(path.string(), "cannot read", errno);
  // One byte over the limit is enough to know; pipes and /proc files tell no size.
  std::string text;
  std::vector<std::byte> buffer(1 << 16);
  if (S_ISREG(status.st_mode))
    text.reserve(std::min<uint64_t>(static_cast<uint64_t>(status.st_size), limit_bytes));
  while (size_t count = read_fully(file.get(), buffer, path.string())) {
    if (text.size() + count > limit_bytes)
      throw FileFormatError("F001", path.string(), "larger than " + human_bytes(limit_bytes),
                            "check that this is the right file");
    text.append(reinterpret_cast<const char*>(buffer.data()), count);
  }
  return text;
}

}  // namespace slmtune
