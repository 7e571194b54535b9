#include "core/internal/descriptor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "core/disk_space.h"
#include "core/error.h"

namespace slmtune {
Descriptor::~Descriptor() {
  if (value_ >= 0) close(value_);
}

Descriptor::Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}

int Descriptor::release() {
  return std::exchange(value_, -1);
}

int open_fully(const std::filesystem::path& path, int flags, unsigned mode) {
  int descriptor = -1;
  do descriptor = open(path.c_str(), flags | O_CLOEXEC, mode);
  while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

Descriptor open_for_reading(const std::filesystem::path& path, int flags) {
  int descriptor = open_fully(path, O_RDONLY | flags);
  if (descriptor >= 0) return Descriptor(descriptor);
  if (errno == ENOENT || errno == ENOTDIR)
    throw UserError("N001", path.string(), "no such file",
                    "check the path; it is taken from the current folder");
  throw_io_error(path.string(), "cannot read", errno);
}

void write_fully(int descriptor, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count > 0) {
      bytes = bytes.subspan(static_cast<size_t>(count));
    } else if (count == 0 || errno == ENOSPC || errno == EDQUOT) {
      throw_disk_full(path, bytes.size());
    } else if (errno != EINTR) {
      throw_io_error(path, "cannot write", errno);
    }
  }
}

void sync_fully(int descriptor, const std::string& path, uint64_t bytes, int ignored) {
  int failed = 0;
  do failed = fsync(descriptor);
  while (failed && errno == EINTR);
  if (!failed || errno == ignored) return;
  if (errno == ENOSPC || errno == EDQUOT) throw_disk_full(path, bytes);
  throw_io_error(path, "cannot write to disk", errno);
}

int empty_fully(int descriptor) {
  int failed = 0;
  do failed = ftruncate(descriptor, 0);
  while (failed && errno == EINTR);
  return failed;
}

size_t read_fully(int descriptor, std::span<std::byte> bytes, const std::string& path) {
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t count = ::read(descriptor, bytes.data() + done, bytes.size() - done);
    if (count == 0) break;
    if (count > 0) {
      done += static_cast<size_t>(count);
    } else if (errno == EISDIR) {
      throw FileFormatError("F005", path, "this is a folder, not a file", "name the file itself");
    } else if (errno != EINTR) {
      throw_io_error(path, "cannot read", errno);
    }
  }
  return done;
}

}  // namespace slmtune
