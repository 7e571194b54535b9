#include "core/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/hash_ahead.h"
#include "core/stop.h"
#include "core/text.h"

namespace slmtune {
struct Hasher::Context {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> evp{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

Hasher::Hasher(HashKind kind) : context_(std::make_unique<Context>()) {
  const EVP_MD* function = kind == HashKind::kSha256 ? EVP_sha256() : EVP_sha1();
  bool done = context_->evp && EVP_DigestInit_ex(context_->evp.get(), function, nullptr) == 1;
  SLMTUNE_ASSERT(done, "OpenSSL computes no hash");
}

Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(std::span<const std::byte> bytes) {
  bool done = EVP_DigestUpdate(context_->evp.get(), bytes.data(), bytes.size()) == 1;
  SLMTUNE_ASSERT(done, "OpenSSL computes no hash");
}

void Hasher::update(std::string_view text) {
  update(std::as_bytes(std::span(text)));
}

std::string Hasher::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> result;
  unsigned length = 0;
  bool done = EVP_DigestFinal_ex(context_->evp.get(), result.data(), &length) == 1;
  SLMTUNE_ASSERT(done, "OpenSSL computes no hash");
  return hex({result.data(), length});
}

namespace {

std::string digest(std::span<const std::byte> bytes) {
  Hasher hasher(HashKind::kSha256);
  hasher.update(bytes);
  return hasher.finish();
}

}  // namespace

std::string sha256(std::string_view bytes) {
  return digest(std::as_bytes(std::span(bytes)));
}

std::string sha256_file(const std::filesystem::path& path) {
  if (std::optional<std::string> known = hashed_ahead(path)) return *std::move(known);
  return hash_file(path, check_stop);
}

}  // namespace slmtune
