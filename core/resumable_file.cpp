#include "core/resumable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/internal/descriptor.h"

namespace slmtune {
namespace {

constexpr uint64_t kWriteBackBytes = 64 << 20;

}  // namespace

ResumableFile::ResumableFile(std::filesystem::path part) : part_(std::move(part)) {
  Descriptor file(open_fully(part_, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0644));
  if (file.get() < 0) throw_io_error(part_.string(), "cannot create a file here", errno);
  struct stat status;
  if (fstat(file.get(), &status) != 0) throw_io_error(part_.string(), "cannot read", errno);
  if (!S_ISREG(status.st_mode))
    throw IoError("W004", part_.string(), "cannot create: this is no plain file", "remove it");
  size_ = asked_to_write_ = static_cast<uint64_t>(status.st_size);
  descriptor_ = file.release();
}

ResumableFile::~ResumableFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

void ResumableFile::read(const std::function<void(std::span<const std::byte>)>& take) const {
  if (lseek(descriptor_, 0, SEEK_SET) != 0) throw_io_error(part_.string(), "cannot read", errno);
  std::vector<std::byte> buffer(1 << 20);
  while (size_t count = read_fully(descriptor_, buffer, part_.string()))
    take(std::span<const std::byte>(buffer).first(count));
}

void ResumableFile::append(std::span<const std::byte> bytes) {
  write_fully(descriptor_, bytes, part_.string());
  size_ += bytes.size();
  // The disk writes along, so that commit() does not wait for gigabytes. Only a request: file
  // systems may ignore it.
  if (size_ - asked_to_write_ < kWriteBackBytes) return;
  sync_file_range(descriptor_, static_cast<off_t>(asked_to_write_),
                  static_cast<off_t>(size_ - asked_to_write_), SYNC_FILE_RANGE_WRITE);
  asked_to_write_ = size_;
}

void ResumableFile::restart() {
  if (empty_fully(descriptor_) != 0) throw_io_error(part_.string(), "cannot write", errno);
  size_ = asked_to_write_ = 0;
}

void ResumableFile::commit(const std::filesystem::path& to) {
  sync_fully(descriptor_, part_.string(), size_);
  if (rename(part_.c_str(), to.c_str()) != 0)
    throw_io_error(to.string(), "cannot put the finished file in place", errno);
  sync_folder(folder_of(to));
}

}  // namespace slmtune
