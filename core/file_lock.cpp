#include "core/file_lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <thread>

#include "core/error.h"
#include "core/internal/descriptor.h"
#include "core/text.h"

namespace slmtune {
namespace {

// A holder writes its note right after it got the lock, and clears it right before it lets go.
// Whoever comes between sees none, or that of an earlier holder that was killed, and asks again.
constexpr int kAttempts = 25;
constexpr std::chrono::milliseconds kBetween(2);

std::string note_in(int descriptor, const std::string& path) {
  std::array<std::byte, 512> content;
  if (lseek(descriptor, 0, SEEK_SET) != 0) return "";
  size_t size = read_fully(descriptor, content, path);
  std::string_view text(reinterpret_cast<const char*>(content.data()), size);
  return std::string(text.substr(0, text.find('\n')));
}

// False for an empty note and one whose process is gone.
bool names_a_process(std::string_view note) {
  constexpr std::string_view kStart = "pid=";
  if (!note.starts_with(kStart)) return false;
  note.remove_prefix(kStart.size());
  pid_t pid = 0;
  std::from_chars(note.data(), note.data() + note.size(), pid);
  return pid > 0 && (kill(pid, 0) == 0 || errno != ESRCH);
}

void lock(int descriptor, const std::string& path) {
  std::string note;
  for (int attempt = 0; attempt < kAttempts && !names_a_process(note); ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(kBetween);
    if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) return;
    if (errno != EWOULDBLOCK) throw_io_error(path, "cannot lock", errno);
    note = note_in(descriptor, path);
  }
  std::string holder = note.empty() ? "a process that is just starting" : shown(note, 200);
  throw BusyError("L001", path, "in use by " + holder, "wait until it has ended, or stop it");
}

}  // namespace

FileLock::FileLock(const std::filesystem::path& path, const std::string& command) {
  Descriptor file(open_fully(path, O_RDWR | O_CREAT, 0644));
  if (file.get() < 0) throw_io_error(path.string(), "cannot create the lock", errno);
  lock(file.get(), path.string());
  std::string text = "pid=" + std::to_string(getpid()) + " since=" + utc_now() +
                     " command=" + shown(command, 200) + "\n";
  if (empty_fully(file.get()) != 0) throw_io_error(path.string(), "cannot write", errno);
  write_fully(file.get(), std::as_bytes(std::span(text)), path.string());
  descriptor_ = file.release();
}

FileLock::~FileLock() {
  // The file stays: removing it would let a second process lock a new file of the same name beside
  // a third one.
  if (empty_fully(descriptor_) != 0) errno = 0;  // only a note for people
  close(descriptor_);
}

}  // namespace slmtune
