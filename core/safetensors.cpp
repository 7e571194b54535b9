#include "core/safetensors.h"

#include <algorithm>

#include "core/error.h"
#include "core/internal/safetensors_header.h"
#include "core/shape.h"
#include "core/text.h"

namespace slmtune {
namespace {

// A third of what the reference implementation allows; published files with the most tensors need
// less than one MB.
constexpr uint64_t kHeaderLimit = 32'000'000;

uint64_t read_u64(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (size_t i = 8; i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(bytes[i]);
  return value;
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A zip as torch.save writes it, or a bare pickle of protocol 2 to 5. Both are lengths of a header
// far beyond the limit.
bool is_pickle(std::string_view text) {
  return text.starts_with("PK\x03\x04") ||
         (text.size() > 1 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5);
}

// The header's JSON, after the checks on its length.
std::string_view header_of(std::span<const std::byte> bytes, const std::string& where) {
  const std::string incomplete = "is the download complete?";
  if (as_text(bytes).starts_with("version https://git-lfs"))
    throw FileFormatError("F010", where, "this is a Git LFS pointer, not the weights",
                          "fetch the file itself with 'git lfs pull'");
  if (bytes.size() < 8)
    throw FileFormatError(
        "F012", where, "the file has only " + std::to_string(bytes.size()) + " bytes", incomplete);
  uint64_t size = read_u64(bytes);
  if (size > kHeaderLimit && is_pickle(as_text(bytes))) refuse_pickle(where);
  if (size > kHeaderLimit)
    throw FileFormatError("F010", where, "the header claims " + std::to_string(size) + " bytes",
                          "check that this is a safetensors file");
  if (size > bytes.size() - 8)
    throw FileFormatError("F012", where,
                          "the header ends at byte " + std::to_string(8 + size) +
                              " but the file has " + std::to_string(bytes.size()),
                          incomplete);
  return as_text(bytes.subspan(8, size));
}

// Bytes of a tensor of that shape; F011 on overflow.
uint64_t checked_bytes(const std::string& name, const HeaderEntry& entry,
                       const std::string& where) {
  uint64_t bytes = dtype_bytes(entry.dtype);
  bool is_empty = false;
  for (int64_t size : entry.shape) {
    is_empty |= size == 0;
    // The other sizes of an empty tensor must not overflow either: its strides are made of them.
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(std::max<int64_t>(size, 1)), &bytes) ||
        bytes > INT64_MAX)
      throw FileFormatError("F011", where, "the size of tensor '" + shown(name) + "' overflows",
                            "fetch or convert the file again");
  }
  return is_empty ? 0 : bytes;
}

using Entries = std::vector<std::pair<const std::string*, const HeaderEntry*>>;

// Ranges must follow each other from 0 to the end of the file, without a gap or an overlap.
void check_ranges(const Entries& entries, uint64_t data_bytes, const std::string& where) {
  const std::string help = "fetch or convert the file again";
  uint64_t position = 0;
  for (auto [name, entry] : entries) {
    std::string tensor = "tensor '" + shown(*name) + "'";
    if (entry->begin > entry->end)
      throw FileFormatError("F011", where, tensor + " ends before it begins", help);
    uint64_t expected = checked_bytes(*name, *entry, where);
    if (entry->end - entry->begin != expected)
      throw FileFormatError("F011", where,
                            tensor + " has " + std::to_string(entry->end - entry->begin) +
                                " bytes but its shape needs " + std::to_string(expected),
                            help);
    if (entry->begin != position)
      throw FileFormatError("F011", where,
                            tensor + " begins at byte " + std::to_string(entry->begin) +
                                " of the data but the one before ends at " +
                                std::to_string(position),
                            help);
    if (entry->end > data_bytes)
      throw FileFormatError("F012", where,
                            tensor + " ends at byte " + std::to_string(entry->end) +
                                " of the data but the file has " + std::to_string(data_bytes),
                            "is the download complete?");
    position = entry->end;
  }
  if (position != data_bytes)
    throw FileFormatError("F012", where,
                          "the tensors end at byte " + std::to_string(position) +
                              " of the data but the file has " + std::to_string(data_bytes),
                          help);
}

}  // namespace

uint64_t TensorView::elements() const {
  return static_cast<uint64_t>(shape_elements(shape));
}

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  SafetensorsFile result{MappedFile(path)};
  result.path_ = path;
  const std::string where = path.string();
  std::span<const std::byte> bytes = result.file_.bytes();
  std::string_view json = header_of(bytes, where);
  SafetensorsHeader header = parse_safetensors_header(json, where);
  std::span<const std::byte> data = bytes.subspan(8 + json.size());

  Entries entries;
  for (const auto& [name, entry] : header.tensors) entries.emplace_back(&name, &entry);
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second->begin, a.second->end) < std::pair(b.second->begin, b.second->end);
  });
  check_ranges(entries, data.size(), where);

  for (auto& [name, entry] : header.tensors)
    result.tensors_[name] = {name, entry.dtype, std::move(entry.shape),
                             data.subspan(entry.begin, entry.end - entry.begin)};
  result.metadata_ = std::move(header.metadata);
  return result;
}

}  // namespace slmtune
