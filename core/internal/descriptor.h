// File descriptors for core's own sources: closed by scope, opened and written with our errors.
#pragma once
#include <cstddef>
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

// N001 missing, W003 no permission, W001 otherwise. `flags` are added to O_RDONLY | O_CLOEXEC.
Descriptor open_for_reading(const std::filesystem::path& path, int flags = 0);

// Writes all of `bytes`; retries EINTR and short writes. W001, W002 (with the free and needed
// bytes).
void write_fully(int descriptor, std::span<const std::byte> bytes, const std::string& path);

// Reads at most `bytes.size()` bytes, fewer only at the end of the file. W001, F005 for a folder.
size_t read_fully(int descriptor, std::span<std::byte> bytes, const std::string& path);

}  // namespace slmtune
