// An exclusive flock on a store. The holder's pid, start time and command stand in the file for people; the kernel drops
// the lock when the holder dies, so a stale file never blocks.
#pragma once
#include <filesystem>
#include <string>

namespace slmtune {

class FileLock {
 public:
  // Never waits: BusyError L001 names the holder. W003/W004 when the file cannot be made.
  FileLock(const std::filesystem::path& path, const std::string& command);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace slmtune
