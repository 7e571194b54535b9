#include "core/internal/descriptor.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace slmtune {
namespace {

[[noreturn]] void throw_disk_full(int descriptor, size_t needed, const std::string& path) {
  std::string what = "the disk is full: " + human_bytes(needed) + " still to write";
  struct statvfs disk;
  if (fstatvfs(descriptor, &disk) == 0)
    what += ", " + human_bytes(static_cast<unsigned long long>(disk.f_bavail) * disk.f_frsize) +
            " free";
  throw IoError("W002", path, what, "free some space or choose a folder on another disk");
}

}  // namespace

Descriptor::~Descriptor() {
  if (value_ >= 0) close(value_);
}

Descriptor::Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}

int Descriptor::release() {
  return std::exchange(value_, -1);
}

Descriptor open_for_reading(const std::filesystem::path& path, int flags) {
  int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
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
      throw_disk_full(descriptor, bytes.size(), path);
    } else if (errno != EINTR) {
      throw_io_error(path, "cannot write", errno);
    }
  }
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
