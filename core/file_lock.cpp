#include "core/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "core/error.h"
#include "core/internal/descriptor.h"
#include "core/text.h"

namespace slmtune {
namespace {

std::string holder_of(int descriptor, const std::string& path) {
  std::array<std::byte, 512> content;
  if (lseek(descriptor, 0, SEEK_SET) != 0) return "an unknown process";
  size_t size = read_fully(descriptor, content, path);
  std::string_view text(reinterpret_cast<const char*>(content.data()), size);
  text = text.substr(0, text.find('\n'));
  return text.empty() ? "a process that is just starting" : shown(text, 200);
}

}  // namespace

FileLock::FileLock(const std::filesystem::path& path, const std::string& command) {
  Descriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (file.get() < 0) throw_io_error(path.string(), "cannot create the lock", errno);
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) throw_io_error(path.string(), "cannot lock", errno);
    throw BusyError("L001", path.string(), "in use by " + holder_of(file.get(), path.string()),
                    "wait until it has ended, or stop it");
  }
  std::string text = "pid=" + std::to_string(getpid()) + " since=" + utc_now() +
                     " command=" + shown(command, 200) + "\n";
  if (ftruncate(file.get(), 0) != 0) throw_io_error(path.string(), "cannot write", errno);
  write_fully(file.get(), std::as_bytes(std::span(text)), path.string());
  descriptor_ = file.release();
}

FileLock::~FileLock() {
  // The file stays: removing it would let a second process lock a new file of the same name beside
  // a third one.
  if (ftruncate(descriptor_, 0) != 0) errno = 0;  // only a note for people
  close(descriptor_);
}

}  // namespace slmtune
