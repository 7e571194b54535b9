#include "core/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <memory>
#include <span>

#include "core/error.h"
#include "core/mapped_file.h"
#include "core/text.h"

namespace slmtune {
namespace {

std::string digest(std::span<const std::byte> bytes) {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                  EVP_MD_CTX_free);
  std::array<unsigned char, EVP_MAX_MD_SIZE> result;
  unsigned length = 0;
  bool done = context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1 &&
              EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1 &&
              EVP_DigestFinal_ex(context.get(), result.data(), &length) == 1;
  SLMTUNE_ASSERT(done, "OpenSSL computes no SHA-256");
  return hex({result.data(), length});
}

}  // namespace

std::string sha256(std::string_view bytes) {
  return digest(std::as_bytes(std::span(bytes)));
}

std::string sha256_file(const std::filesystem::path& path) {
  MappedFile file(path);
  return digest(file.bytes());
}

}  // namespace slmtune
