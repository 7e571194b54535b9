// The calls themselves. Each goes to the kernel by its number, so that no other layer is needed.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>

#include "tests/faults/shim_gate.h"
#include "tests/faults/torn_rename.h"

namespace {

using namespace slmtune::faults;

constexpr auto kNoEffect = [](DiskModel&) {};

bool is_there(const std::string& path) {
  struct stat status;
  return lstat(path.c_str(), &status) == 0;
}

// The inode number of a folder at `path`, 0 when there is none.
ino_t folder_inode(const std::string& path) {
  struct stat status;
  return lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) ? status.st_ino : 0;
}

int open_through(int folder, const char* name, int flags, mode_t mode) {
  const auto action = [=] {
    return static_cast<int>(syscall(SYS_openat, folder, name, flags, mode));
  };
  if (!(flags & (O_CREAT | O_TRUNC))) return action();
  const std::string path = absolute_path(folder, name);
  if (!is_watched(path)) return action();
  if (is_there(path)) {
    if (!(flags & O_TRUNC)) return action();
    return through(CallKind::kResize, path, action, kNoEffect);
  }
  return through(CallKind::kCreate, path, action,
                 [&](DiskModel& disk) { disk.entries_changed(parent_of(path)); });
}

int sync_through(int descriptor, long number) {
  return through(
      CallKind::kSync, path_of(descriptor),
      [=] { return static_cast<int>(syscall(number, descriptor)); },
      [=](DiskModel& disk) { disk.synced(descriptor); });
}

int rename_through(int from_folder, const char* from_name, int to_folder, const char* to_name,
                   unsigned flags) {
  const std::string from = absolute_path(from_folder, from_name);
  const std::string to = absolute_path(to_folder, to_name);
  const auto action = [=] {
    return static_cast<int>(
        syscall(SYS_renameat2, from_folder, from_name, to_folder, to_name, flags));
  };
  if (!is_watched(to)) return action();
  if (flags != 0 && has_plain_renames()) {
    errno = EINVAL;
    return -1;
  }
  Passage passage(CallKind::kRename, to);
  if (passage.decision().error) {
    errno = passage.decision().error;
    return -1;
  }
  const ino_t replaced = folder_inode(to);
  const int result = passage.decision().is_torn ? torn_rename(from, to, flags) : action();
  const int error = errno;
  if (DiskModel* disk = disk_model(); disk && result == 0) {
    if (replaced) disk->folder_removed(replaced);
    disk->entries_changed(parent_of(to));
    if (parent_of(from) != parent_of(to)) disk->entries_changed(parent_of(from));
  }
  passage.end();
  errno = error;
  return result;
}

int unlink_through(int folder, const char* name, int flags) {
  const std::string path = absolute_path(folder, name);
  const bool is_folder = flags & AT_REMOVEDIR;
  const ino_t inode = is_folder && is_watched(path) ? folder_inode(path) : 0;
  return through(
      is_folder ? CallKind::kRemoveFolder : CallKind::kUnlink, path,
      [=] { return static_cast<int>(syscall(SYS_unlinkat, folder, name, flags)); },
      [&](DiskModel& disk) {
        if (inode) disk.folder_removed(inode);
        disk.entries_changed(parent_of(path));
      });
}

int make_folder_through(int folder, const char* name, mode_t mode) {
  const std::string path = absolute_path(folder, name);
  return through(
      CallKind::kMakeFolder, path,
      [=] { return static_cast<int>(syscall(SYS_mkdirat, folder, name, mode)); },
      [&](DiskModel& disk) { disk.entries_changed(parent_of(path)); });
}

int link_through(int from_folder, const char* from, int to_folder, const char* to, int flags) {
  const std::string path = absolute_path(to_folder, to);
  return through(
      CallKind::kLink, path,
      [=] {
        return static_cast<int>(syscall(SYS_linkat, from_folder, from, to_folder, to, flags));
      },
      [&](DiskModel& disk) { disk.entries_changed(parent_of(path)); });
}

template <class Action>
int resize_through(const std::string& path, Action action) {
  return through(CallKind::kResize, path, action, kNoEffect);
}

// The total of `count` parts; a half write is made by fewer of them.
size_t total_of(const iovec* parts, int count) {
  size_t total = 0;
  for (int i = 0; i < count; ++i) total += parts[i].iov_len;
  return total;
}

ssize_t write_parts(int descriptor, const iovec* parts, int count, off_t offset) {
  const size_t total = total_of(parts, count);
  return write_through(path_of(descriptor), total, [=](size_t size) -> ssize_t {
    if (size == total)
      return offset < 0 ? syscall(SYS_writev, descriptor, parts, count)
                        : syscall(SYS_pwritev, descriptor, parts, count, offset, 0);
    const size_t first = parts[0].iov_len < size ? parts[0].iov_len : size;
    return offset < 0 ? syscall(SYS_write, descriptor, parts[0].iov_base, first)
                      : syscall(SYS_pwrite64, descriptor, parts[0].iov_base, first, offset);
  });
}

template <class Status>
int report_space(int result, const std::string& path, Status* status) {
  if (result == 0 && planned_free_bytes() >= 0 && is_watched(path))
    status->f_bavail = status->f_bfree =
        static_cast<decltype(status->f_bavail)>(planned_free_bytes()) / status->f_frsize;
  return result;
}

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

mode_t mode_of(int flags, va_list arguments) {
  return flags & (O_CREAT | O_TMPFILE) ? static_cast<mode_t>(va_arg(arguments, int)) : 0;
}

}  // namespace

// Each name also with the 64 that glibc gives to its large-file variant.
#define OPEN_CALL(name)                               \
  int name(const char* path, int flags, ...) {        \
    va_list arguments;                                \
    va_start(arguments, flags);                       \
    const mode_t mode = mode_of(flags, arguments);    \
    va_end(arguments);                                \
    return open_through(AT_FDCWD, path, flags, mode); \
  }
#define OPENAT_CALL(name)                                  \
  int name(int folder, const char* path, int flags, ...) { \
    va_list arguments;                                     \
    va_start(arguments, flags);                            \
    const mode_t mode = mode_of(flags, arguments);         \
    va_end(arguments);                                     \
    return open_through(folder, path, flags, mode);        \
  }
#define CREATE_CALL(name)                                                    \
  int name(const char* path, mode_t mode) {                                  \
    return open_through(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode); \
  }
#define PWRITE_CALL(name, Offset)                                                  \
  ssize_t name(int descriptor, const void* bytes, size_t size, Offset offset) {    \
    return write_through(path_of(descriptor), size, [=](size_t limit) -> ssize_t { \
      return syscall(SYS_pwrite64, descriptor, bytes, limit, offset);              \
    });                                                                            \
  }
#define PWRITEV_CALL(name, Offset)                                             \
  ssize_t name(int descriptor, const iovec* parts, int count, Offset offset) { \
    return write_parts(descriptor, parts, count, offset);                      \
  }
#define SENDFILE_CALL(name, Offset)                                        \
  ssize_t name(int to, int from, Offset* offset, size_t size) noexcept {   \
    return write_through(path_of(to), size, [=](size_t limit) -> ssize_t { \
      return syscall(SYS_sendfile, to, from, offset, limit);               \
    });                                                                    \
  }
#define COPY_RANGE_CALL(name, Offset)                                                      \
  ssize_t name(int from, Offset* from_offset, int to, Offset* to_offset, size_t size,      \
               unsigned flags) {                                                           \
    return write_through(path_of(to), size, [=](size_t limit) -> ssize_t {                 \
      return syscall(SYS_copy_file_range, from, from_offset, to, to_offset, limit, flags); \
    });                                                                                    \
  }
#define FTRUNCATE_CALL(name, Offset)                                     \
  int name(int descriptor, Offset size) noexcept {                       \
    return resize_through(path_of(descriptor), [=] {                     \
      return static_cast<int>(syscall(SYS_ftruncate, descriptor, size)); \
    });                                                                  \
  }
#define TRUNCATE_CALL(name, Offset)                                                             \
  int name(const char* path, Offset size) noexcept {                                            \
    return resize_through(absolute_path(AT_FDCWD, path),                                        \
                          [=] { return static_cast<int>(syscall(SYS_truncate, path, size)); }); \
  }
#define ALLOCATE_CALL(name, Offset)                                                    \
  int name(int descriptor, int mode, Offset offset, Offset size) {                     \
    return resize_through(path_of(descriptor), [=] {                                   \
      return static_cast<int>(syscall(SYS_fallocate, descriptor, mode, offset, size)); \
    });                                                                                \
  }
#define STATVFS_CALL(name, Status)                                            \
  int name(const char* __restrict path, Status* __restrict status) noexcept { \
    const int result = real<int(const char*, Status*)>(#name)(path, status);  \
    return report_space(result, absolute_path(AT_FDCWD, path), status);       \
  }
#define FSTATVFS_CALL(name, Status)                                        \
  int name(int descriptor, Status* status) noexcept {                      \
    const int result = real<int(int, Status*)>(#name)(descriptor, status); \
    return report_space(result, path_of(descriptor), status);              \
  }

extern "C" {

OPEN_CALL(open)
OPEN_CALL(open64)
OPENAT_CALL(openat)
OPENAT_CALL(openat64)
CREATE_CALL(creat)
CREATE_CALL(creat64)
PWRITE_CALL(pwrite, off_t)
PWRITE_CALL(pwrite64, off64_t)
PWRITEV_CALL(pwritev, off_t)
PWRITEV_CALL(pwritev64, off64_t)
SENDFILE_CALL(sendfile, off_t)
SENDFILE_CALL(sendfile64, off64_t)
COPY_RANGE_CALL(copy_file_range, off64_t)
FTRUNCATE_CALL(ftruncate, off_t)
FTRUNCATE_CALL(ftruncate64, off64_t)
TRUNCATE_CALL(truncate, off_t)
TRUNCATE_CALL(truncate64, off64_t)
ALLOCATE_CALL(fallocate, off_t)
ALLOCATE_CALL(fallocate64, off64_t)
STATVFS_CALL(statvfs, struct statvfs)
STATVFS_CALL(statvfs64, struct statvfs64)
FSTATVFS_CALL(fstatvfs, struct statvfs)
FSTATVFS_CALL(fstatvfs64, struct statvfs64)

int posix_fallocate(int descriptor, off_t offset, off_t size) {
  return fallocate(descriptor, 0, offset, size) == 0 ? 0 : errno;
}

int posix_fallocate64(int descriptor, off64_t offset, off64_t size) {
  return posix_fallocate(descriptor, offset, size);
}

ssize_t write(int descriptor, const void* bytes, size_t size) {
  return write_through(path_of(descriptor), size, [=](size_t limit) -> ssize_t {
    return syscall(SYS_write, descriptor, bytes, limit);
  });
}

ssize_t writev(int descriptor, const iovec* parts, int count) {
  return write_parts(descriptor, parts, count, -1);
}

int fsync(int descriptor) {
  return sync_through(descriptor, SYS_fsync);
}

int fdatasync(int descriptor) {
  return sync_through(descriptor, SYS_fdatasync);
}

int rename(const char* from, const char* to) noexcept {
  return rename_through(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  return rename_through(from_folder, from, to_folder, to, 0);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned flags) noexcept {
  return rename_through(from_folder, from, to_folder, to, flags);
}

int unlink(const char* path) noexcept {
  return unlink_through(AT_FDCWD, path, 0);
}

int unlinkat(int folder, const char* path, int flags) noexcept {
  return unlink_through(folder, path, flags);
}

int rmdir(const char* path) noexcept {
  return unlink_through(AT_FDCWD, path, AT_REMOVEDIR);
}

int remove(const char* path) noexcept {
  const bool is_folder = folder_inode(absolute_path(AT_FDCWD, path)) != 0;
  return unlink_through(AT_FDCWD, path, is_folder ? AT_REMOVEDIR : 0);
}

int mkdir(const char* path, mode_t mode) noexcept {
  return make_folder_through(AT_FDCWD, path, mode);
}

int mkdirat(int folder, const char* path, mode_t mode) noexcept {
  return make_folder_through(folder, path, mode);
}

int link(const char* from, const char* to) noexcept {
  return link_through(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) noexcept {
  return link_through(from_folder, from, to_folder, to, flags);
}

int symlink(const char* target, const char* link_path) noexcept {
  const std::string path = absolute_path(AT_FDCWD, link_path);
  return through(
      CallKind::kLink, path,
      [=] { return static_cast<int>(syscall(SYS_symlinkat, target, AT_FDCWD, link_path)); },
      [&](DiskModel& disk) { disk.entries_changed(parent_of(path)); });
}

}  // extern "C"
