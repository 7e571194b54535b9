// Free space of the disk that a large result goes to, checked before the first byte is written; and
// the error of a disk that filled up all the same.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string_view>

namespace slmtune {

// IoError W002 that names the needed and the free bytes when `folder` cannot hold `needed_bytes`
// more; `what` says who needs them ("the export"). W001 when the disk cannot be asked.
void check_free_space(const std::filesystem::path& folder, uint64_t needed_bytes,
                      std::string_view what);

// The folder itself, or the nearest one above it that is there.
std::filesystem::path existing_folder(const std::filesystem::path& folder);

// IoError W002 that names the bytes that `path` still needs and those that its disk has free; no
// `needed_bytes` means the block that an entry of a folder takes.
[[noreturn]] void throw_disk_full(const std::filesystem::path& path, uint64_t needed_bytes);

}  // namespace slmtune
