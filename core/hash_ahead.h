// Hashes of large files, made on a thread of their own before they are asked for: while LibTorch is
// opened one core has nothing to do.
//
//   hash_ahead(files);                 // returns at once
//   ...
//   sha256_file(files.front());        // waits for that thread instead of computing
//
// What cannot be read, or changed since it was hashed, is hashed when it is asked for, as if this
// had not been.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace slmtune {

// Takes the place of an earlier call.
void hash_ahead(const std::vector<std::filesystem::path>& files);

// SHA-256 of a file that hash_ahead() was given, by whatever path; none when it was not, or when
// the file has another length or time of change since. Passes a wish to stop on (core/stop.h).
std::optional<std::string> hashed_ahead(const std::filesystem::path& path);

// SHA-256 of a file; calls `before_piece`, which may throw, every 16 MiB. N001, W001.
std::string hash_file(const std::filesystem::path& path, const std::function<void()>& before_piece);

}  // namespace slmtune
