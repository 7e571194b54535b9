#include "store/row_index.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/sha256.h"
#include "core/text.h"

namespace slmtune::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "SLMROWS1";
constexpr size_t kHeader = 40, kIdBytes = 8, kKeyDigits = 64;
constexpr uint64_t kIncomplete = 1, kMaxBytes = 8ull << 30;

fs::path key_path(const fs::path& store) {
  return store / "row.key";
}

unsigned nibble(char digit) {
  return static_cast<unsigned>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

// The first bytes of a hash in hexadecimal.
template <size_t N>
std::array<unsigned char, N> first_bytes(const std::string& digits) {
  std::array<unsigned char, N> bytes;
  for (size_t i = 0; i < N; ++i)
    bytes[i] = static_cast<unsigned char>(nibble(digits[2 * i]) << 4 | nibble(digits[2 * i + 1]));
  return bytes;
}

void put_number(std::string& out, uint64_t value) {
  for (int i = 0; i < 8; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

uint64_t get_number(std::string_view bytes, size_t at) {
  uint64_t value = 0;
  for (size_t i = 8; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

void sort_unique(std::vector<RowDigest>& digests) {
  std::sort(digests.begin(), digests.end());
  digests.erase(std::unique(digests.begin(), digests.end()), digests.end());
}

std::string_view raw(const std::vector<RowDigest>& digests) {
  return {reinterpret_cast<const char*>(digests.data()), digests.size() * sizeof(RowDigest)};
}

std::vector<RowDigest> digests_at(std::string_view bytes) {
  std::vector<RowDigest> digests(bytes.size() / sizeof(RowDigest));
  if (!digests.empty()) std::memcpy(digests.data(), bytes.data(), bytes.size());
  return digests;
}

bool has(const std::vector<RowDigest>& sorted, const RowDigest& digest) {
  return std::binary_search(sorted.begin(), sorted.end(), digest);
}

FileFormatError damaged(const fs::path& path, const std::string& what) {
  return FileFormatError("S011", path.string(), what, "restore it from a backup");
}

}  // namespace

RowKey::RowKey(std::string bytes)
    : bytes_(std::move(bytes)), id_(sha256(bytes_).substr(0, 2 * kIdBytes)) {}

RowKey RowKey::create_or_read(const fs::path& store) {
  if (auto key = read(store)) return *key;
  std::random_device random;
  std::string digits;
  for (size_t i = 0; i < kKeyDigits; ++i) digits += "0123456789abcdef"[random() & 15];
  write_file(key_path(store), digits + "\n");
  fs::permissions(key_path(store), fs::perms::owner_read | fs::perms::owner_write);
  return RowKey(digits);
}

std::optional<RowKey> RowKey::read(const fs::path& store) {
  const fs::path path = key_path(store);
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  std::string digits = read_text_file(path, 1 << 12);
  if (!digits.empty() && digits.back() == '\n') digits.pop_back();
  if (digits.size() != kKeyDigits ||
      digits.find_first_not_of("0123456789abcdef") != std::string::npos)
    throw damaged(path, "not a key of 64 hexadecimal digits");
  return RowKey(digits);
}

RowDigest RowKey::hide(const RowDigest& digest) const {
  // Both parts have a fixed length, so no two inputs give the same bytes.
  return first_bytes<16>(
      sha256(bytes_ + std::string(reinterpret_cast<const char*>(digest.data()), digest.size())));
}

std::optional<RowIndex> RowIndex::read(const fs::path& folder, const RowKey& key) {
  const fs::path path = folder / kRowIndexName;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  const std::string content = read_text_file(path, kMaxBytes);
  const std::string_view bytes = content;
  if (bytes.size() < kHeader || !bytes.starts_with(kMagic))
    throw damaged(path, "not an index of rows");
  const auto id = first_bytes<kIdBytes>(key.id());
  if (std::memcmp(id.data(), bytes.data() + kMagic.size(), id.size()) != 0) return std::nullopt;
  const uint64_t flags = get_number(bytes, 16), own = get_number(bytes, 24),
                 inherited = get_number(bytes, 32);
  const uint64_t entries = (bytes.size() - kHeader) / sizeof(RowDigest);
  if ((bytes.size() - kHeader) % sizeof(RowDigest) != 0 || own > entries ||
      inherited != entries - own)
    throw damaged(path, "its size does not fit the numbers of rows that it states");
  RowIndex index;
  index.is_complete_ = (flags & kIncomplete) == 0;
  index.own_ = digests_at(bytes.substr(kHeader, own * sizeof(RowDigest)));
  index.inherited_ = digests_at(bytes.substr(kHeader + own * sizeof(RowDigest)));
  return index;
}

std::optional<RowIndex> RowIndex::read_whole(const fs::path& folder, const RowKey& key) {
  try {
    return read(folder, key);
  } catch (const FileFormatError&) {
    return std::nullopt;
  }
}

bool RowIndex::has_own(const RowDigest& hidden) const {
  return has(own_, hidden);
}

bool RowIndex::has_inherited(const RowDigest& hidden) const {
  return has(inherited_, hidden);
}

void write_row_index(const fs::path& staging, const RowKey& key, std::span<const RowDigest> digests,
                     std::span<const fs::path> origins) {
  RowIndex made;
  for (const RowDigest& digest : digests) made.own_.push_back(key.hide(digest));
  for (const fs::path& origin : origins) {
    const auto index = RowIndex::read_whole(origin, key);
    made.is_complete_ = made.is_complete_ && index && index->is_complete_;
    if (!index) continue;
    for (const auto* part : {&index->own_, &index->inherited_})
      made.inherited_.insert(made.inherited_.end(), part->begin(), part->end());
  }
  sort_unique(made.own_);
  sort_unique(made.inherited_);
  std::string header(kMagic);
  for (unsigned char byte : first_bytes<kIdBytes>(key.id())) header += static_cast<char>(byte);
  put_number(header, made.is_complete_ ? 0 : kIncomplete);
  put_number(header, made.own_.size());
  put_number(header, made.inherited_.size());
  AtomicFile file(staging / kRowIndexName);
  file.write(header);
  file.write(raw(made.own_));
  file.write(raw(made.inherited_));
  file.commit();
}

}  // namespace slmtune::store
