// A file as a writer makes it that knows nothing of AtomicFile.
#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "core/error.h"

namespace slmtune::faults {

inline void write_plainly(const std::filesystem::path& path, const std::string& text, bool sync) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0 && errno == EINTR) return write_plainly(path, text, sync);
  if (file < 0) throw_io_error(path.string(), "cannot create", errno);
  const ssize_t written = write(file, text.data(), text.size());
  const bool failed = written != static_cast<ssize_t>(text.size()) || (sync && fsync(file) != 0);
  const int error = written >= 0 && written < static_cast<ssize_t>(text.size()) ? EINTR : errno;
  close(file);
  if (failed && error == EINTR) return write_plainly(path, text, sync);
  if (failed) throw_io_error(path.string(), "cannot write", error);
}

}  // namespace slmtune::faults
