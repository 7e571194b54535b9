// SHA-256 of files and bytes (OpenSSL), as lower-case hexadecimal.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

namespace slmtune {

std::string sha256(std::string_view bytes);
std::string sha256_file(const std::filesystem::path& path);  // N001, W001

}  // namespace slmtune
