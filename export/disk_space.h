// Free space of the disk that an export goes to, checked before the first byte is written.
#pragma once
#include <cstdint>
#include <filesystem>

namespace slmtune::exporting {

// IoError W002 that names the needed and the free bytes when `folder` cannot hold `needed_bytes`
// more.
void check_free_space(const std::filesystem::path& folder, uint64_t needed_bytes);

// Folder part of `path`; "." for a bare name.
std::filesystem::path folder_of(const std::filesystem::path& path);

}  // namespace slmtune::exporting
