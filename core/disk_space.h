// Free space of the disk that a large result goes to, checked before the first byte is written.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string_view>

namespace slmtune {

// IoError W002 that names the needed and the free bytes when `folder` cannot hold `needed_bytes`
// more; `what` says who needs them ("the export"). W001 when the disk cannot be asked.
void check_free_space(const std::filesystem::path& folder, uint64_t needed_bytes,
                      std::string_view what);

}  // namespace slmtune
