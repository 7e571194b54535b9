// A file mapped read-only into memory.
#pragma once
#include <cstddef>
#include <filesystem>
#include <span>

namespace slmtune {

class MappedFile {
 public:
  // N001 missing, W001/W003 unreadable, F005 not a regular file. An empty file maps to an empty span.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Gives the memory of whole pages inside `bytes`, a part of a MappedFile, back to the system; reading them again
// fetches them from the file. For copying a file larger than the memory that may be used.
void release_pages(std::span<const std::byte> bytes);

}  // namespace slmtune
