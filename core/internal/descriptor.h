// File descriptors for core's own sources: closed by scope, opened and written with our errors.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace slmtune {

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&&) = delete;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  int release();  // hands the descriptor over; the caller closes it

 private:
  int value_;
};

// open() that tries again when a signal interrupts it, with O_CLOEXEC. Negative with errno when it
// fails.
int open_fully(const std::filesystem::path& path, int flags, unsigned mode = 0);

// N001 missing, W003 no permission, W001 otherwise. `flags` are added to O_RDONLY | O_CLOEXEC.
Descriptor open_for_reading(const std::filesystem::path& path, int flags = 0);

// Writes all of `bytes`; retries EINTR and short writes. W001, W002 (with the free and needed
// bytes).
void write_fully(int descriptor, std::span<const std::byte> bytes, const std::string& path);

// fsync that tries again when a signal interrupts it, but never after an error: the kernel may have
// dropped what it could not write. `bytes` is how much was to arrive (W002 says so), `ignored` an
// error that is none. W001, W002.
void sync_fully(int descriptor, const std::string& path, uint64_t bytes, int ignored = 0);

// ftruncate to nothing that tries again when a signal interrupts it. 0, or −1 with errno.
int empty_fully(int descriptor);

// Reads at most `bytes.size()` bytes, fewer only at the end of the file. W001, F005 for a folder.
size_t read_fully(int descriptor, std::span<std::byte> bytes, const std::string& path);

}  // namespace slmtune
