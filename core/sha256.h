// SHA-256 of files and bytes (OpenSSL), as lower-case hexadecimal; SHA-1 only for what git names by
// it.
#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace slmtune {

enum class HashKind { kSha256, kSha1 };

// A hash of bytes that come piece by piece.
class Hasher {
 public:
  explicit Hasher(HashKind kind);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  std::string finish();  // once; no update() after it

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string sha256(std::string_view bytes);
std::string sha256_file(const std::filesystem::path& path);  // N001, W001

}  // namespace slmtune
