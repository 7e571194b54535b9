#include <bit>
#include <cstring>
#include <limits>
#include <set>

#include "core/error.h"
#include "core/text.h"
#include "export/gguf/ggml_types.h"
#include "export/gguf/gguf.h"
#include "export/gguf/gguf_layout.h"

namespace slmtune::exporting {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is read little-endian");

constexpr uint64_t kTextLimit = 16ull << 20;
constexpr uint64_t kKeyLimit = 65535;
// Entries of a table in memory are larger than in the file, so their number is bounded too.
constexpr uint64_t kEntryLimit = 65'536, kTensorLimit = 100'000;
constexpr uint32_t kAlignmentLimit = 1 << 20;
constexpr uint64_t kSmallestEntry = 8 + 1 + 4 + 1;  // key length, key, type, one byte
constexpr uint64_t kSmallestTensor =
    8 + 1 + 4 + 8 + 4 + 8;  // name, dimensions, one size, type, offset
constexpr const char* kDownloadHint = "is the download complete?";

// Walks the bytes and never past their end.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, std::string where)
      : bytes_(bytes), where_(std::move(where)) {}

  uint64_t position() const { return at_; }
  uint64_t left() const { return bytes_.size() - at_; }
  std::span<const std::byte> rest() const { return bytes_.subspan(at_); }

  std::span<const std::byte> take(uint64_t count) {
    if (count > left())
      throw FileFormatError("F093", where_,
                            "the header needs " + std::to_string(count) + " bytes at byte " +
                                std::to_string(at_) + " but the file has " +
                                std::to_string(bytes_.size()),
                            kDownloadHint);
    auto taken = bytes_.subspan(at_, count);
    at_ += count;
    return taken;
  }

  template <class Number>
  Number number() {
    Number value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  // A count of things that take at least `smallest` bytes each, so that it bounds what may be
  // allocated.
  uint64_t count(uint64_t smallest, const char* what) {
    auto value = number<uint64_t>();
    if (value > left() / smallest)
      throw FileFormatError("F093", where_,
                            "the header promises " + std::to_string(value) + " " + what +
                                " but only " + std::to_string(left()) + " bytes follow",
                            kDownloadHint);
    return value;
  }

  std::string text(uint64_t limit, const char* code) {
    auto size = number<uint64_t>();
    if (size > limit)
      throw FileFormatError(code, where_,
                            "a text of " + std::to_string(size) + " bytes; at most " +
                                std::to_string(limit) + " are allowed",
                            "the file is damaged or not GGUF");
    auto bytes = take(size);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  [[noreturn]] void fail(const char* code, const std::string& what) const {
    throw FileFormatError(code, where_, what, "the file is damaged; download or export it again");
  }

 private:
  std::span<const std::byte> bytes_;
  std::string where_;
  uint64_t at_ = 0;
};

bool is_name(const std::string& text) {
  return !text.empty() && is_utf8(text) && text.find('\0') == std::string::npos;
}

bool read_bool(Cursor& in, const std::string& key) {
  auto value = in.number<uint8_t>();
  if (value > 1)
    in.fail("F091", "key '" + shown(key) + "' is a boolean of value " + std::to_string(value));
  return value == 1;
}

template <class Stored, class Kept = Stored>
std::vector<Kept> read_numbers(Cursor& in) {
  const uint64_t count = in.count(sizeof(Stored), "array elements");
  std::vector<Kept> values(count);
  for (Kept& value : values) value = static_cast<Kept>(in.number<Stored>());
  return values;
}

std::vector<std::string> read_texts(Cursor& in) {
  const uint64_t count = in.count(sizeof(uint64_t), "texts");
  std::vector<std::string> texts;
  texts.reserve(count);
  for (uint64_t i = 0; i < count; ++i) texts.push_back(in.text(kTextLimit, "F091"));
  return texts;
}

std::vector<int32_t> read_bools(Cursor& in, const std::string& key) {
  std::vector<int32_t> values(in.count(1, "array elements"));
  for (int32_t& value : values) value = read_bool(in, key);
  return values;
}

GgufValue read_array(Cursor& in, const std::string& key) {
  const auto type = in.number<uint32_t>();
  switch (static_cast<GgufType>(type)) {
    case GgufType::kU8:
      return read_numbers<uint8_t, int32_t>(in);
    case GgufType::kI8:
      return read_numbers<int8_t, int32_t>(in);
    case GgufType::kU16:
      return read_numbers<uint16_t, int32_t>(in);
    case GgufType::kI16:
      return read_numbers<int16_t, int32_t>(in);
    case GgufType::kU32:
      return read_numbers<uint32_t>(in);
    case GgufType::kI32:
      return read_numbers<int32_t>(in);
    case GgufType::kF32:
      return read_numbers<float>(in);
    case GgufType::kBool:
      return read_bools(in, key);
    case GgufType::kString:
      return read_texts(in);
    case GgufType::kU64:
      return read_numbers<uint64_t>(in);
    case GgufType::kI64:
      return read_numbers<int64_t>(in);
    case GgufType::kF64:
      return read_numbers<double>(in);
    case GgufType::kArray:
      in.fail("F091", "key '" + shown(key) + "' is an array of arrays");
  }
  in.fail("F091", "key '" + shown(key) + "' is an array of unknown type " + std::to_string(type));
}

GgufValue read_value(Cursor& in, const std::string& key) {
  const auto type = in.number<uint32_t>();
  switch (static_cast<GgufType>(type)) {
    case GgufType::kU8:
      return uint32_t{in.number<uint8_t>()};
    case GgufType::kI8:
      return int32_t{in.number<int8_t>()};
    case GgufType::kU16:
      return uint32_t{in.number<uint16_t>()};
    case GgufType::kI16:
      return int32_t{in.number<int16_t>()};
    case GgufType::kU32:
      return in.number<uint32_t>();
    case GgufType::kI32:
      return in.number<int32_t>();
    case GgufType::kF32:
      return in.number<float>();
    case GgufType::kBool:
      return read_bool(in, key);
    case GgufType::kString:
      return in.text(kTextLimit, "F091");
    case GgufType::kArray:
      return read_array(in, key);
    case GgufType::kU64:
      return in.number<uint64_t>();
    case GgufType::kI64:
      return in.number<int64_t>();
    case GgufType::kF64:
      return in.number<double>();
  }
  in.fail("F091", "key '" + shown(key) + "' has unknown type " + std::to_string(type));
}

std::map<std::string, GgufValue> read_metadata(Cursor& in, uint64_t count) {
  std::map<std::string, GgufValue> metadata;
  for (uint64_t i = 0; i < count; ++i) {
    std::string key = in.text(kKeyLimit, "F091");
    if (!is_name(key)) in.fail("F091", "key " + std::to_string(i) + " is empty or not text");
    if (metadata.count(key)) in.fail("F091", "key '" + shown(key) + "' stands twice");
    GgufValue value = read_value(in, key);
    metadata.emplace(std::move(key), std::move(value));
  }
  return metadata;
}

uint64_t alignment_of(const Cursor& in, const std::map<std::string, GgufValue>& metadata) {
  auto entry = metadata.find("general.alignment");
  if (entry == metadata.end()) return kGgufAlignment;
  const uint32_t* value = std::get_if<uint32_t>(&entry->second);
  if (!value || !std::has_single_bit(*value) || *value > kAlignmentLimit)
    in.fail("F091",
            "'general.alignment' must be an unsigned 32-bit power of two of at most 1048576");
  return *value;
}

std::vector<int64_t> read_shape(Cursor& in, const std::string& name) {
  const auto dimensions = in.number<uint32_t>();
  if (dimensions < 1 || dimensions > kGgufDimensions)
    in.fail("F092", "tensor '" + shown(name) + "' has " + std::to_string(dimensions) +
                        " dimensions; 1 to 4 are allowed");
  std::vector<int64_t> shape(dimensions);
  for (size_t i = dimensions; i-- > 0;) {
    const auto size = in.number<uint64_t>();
    if (size < 1 || size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      in.fail("F092", "tensor '" + shown(name) + "' has a dimension of " + std::to_string(size));
    shape[i] = static_cast<int64_t>(size);
  }
  return shape;
}

uint64_t checked_bytes(const Cursor& in, const GgufTensor& tensor) {
  const GgmlType* type = find_ggml_type(tensor.type);
  if (!type)
    in.fail("F092",
            "tensor '" + shown(tensor.name) + "' has unknown type " + std::to_string(tensor.type));
  if (tensor.shape.back() % type->block != 0)
    in.fail("F092", "tensor '" + shown(tensor.name) + "' has rows of " +
                        std::to_string(tensor.shape.back()) + " elements; " +
                        std::string(type->name) + " needs a multiple of " +
                        std::to_string(type->block));
  uint64_t bytes = static_cast<uint64_t>(tensor.shape.back() / type->block);
  bool overflows = __builtin_mul_overflow(bytes, static_cast<uint64_t>(type->block_bytes), &bytes);
  for (size_t i = 0; i + 1 < tensor.shape.size(); ++i)
    overflows |= __builtin_mul_overflow(bytes, static_cast<uint64_t>(tensor.shape[i]), &bytes);
  // 2^62 leaves room for alignment and sums of what fits in a file.
  if (overflows || bytes > (1ull << 62))
    in.fail("F092", "tensor '" + shown(tensor.name) + "' is too large");
  return bytes;
}

// The table gives each tensor's offset, which must be the aligned sum of the sizes before it: no
// gap, no overlap.
std::vector<GgufTensor> read_tensors(Cursor& in, uint64_t count, uint64_t alignment,
                                     std::vector<uint64_t>& offsets) {
  std::vector<GgufTensor> tensors;
  std::set<std::string> names;
  uint64_t next = 0;
  for (uint64_t i = 0; i < count; ++i) {
    GgufTensor tensor;
    tensor.name = in.text(kGgufNameLimit, "F092");
    if (!is_name(tensor.name))
      in.fail("F092", "the name of tensor " + std::to_string(i) + " is empty or not text");
    if (!names.insert(tensor.name).second)
      in.fail("F092", "tensor '" + shown(tensor.name) + "' stands twice");
    tensor.shape = read_shape(in, tensor.name);
    tensor.type = in.number<uint32_t>();
    tensor.bytes = checked_bytes(in, tensor);
    const auto offset = in.number<uint64_t>();
    if (offset != next)
      in.fail("F092", "tensor '" + shown(tensor.name) + "' starts at " + std::to_string(offset) +
                          "; expected " + std::to_string(next));
    offsets.push_back(offset);
    next = align_up(offset + tensor.bytes, alignment);
    if (next > (1ull << 62))
      in.fail("F092", "tensor '" + shown(tensor.name) + "' ends too far away");
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

void check_start(Cursor& in) {
  if (!starts_as_gguf(in.rest())) in.fail("F090", "not a GGUF file");
  in.take(kGgufMagic.size());
  const auto version = in.number<uint32_t>();
  if (version != 0 && (version & 0xFFFF) == 0)
    in.fail("F090", "a big-endian GGUF file; only little-endian is read");
  if (version < kGgufOldestVersion || version > kGgufVersion)
    in.fail("F090", "GGUF version " + std::to_string(version) + "; versions 2 and 3 are read");
}

}  // namespace

GgufFile GgufFile::open(const std::filesystem::path& path) {
  GgufFile file(MappedFile(path), path);
  const auto bytes = file.file_.bytes();
  Cursor in(bytes, path.string());
  check_start(in);
  const auto tensor_count = in.number<uint64_t>();
  const uint64_t entry_count = in.count(kSmallestEntry, "metadata entries");
  if (tensor_count > in.left() / kSmallestTensor)
    in.fail("F093", "the header promises " + std::to_string(tensor_count) + " tensors but only " +
                        std::to_string(in.left()) + " bytes follow");
  if (entry_count > kEntryLimit)
    in.fail("F091", std::to_string(entry_count) + " metadata entries; at most " +
                        std::to_string(kEntryLimit) + " are allowed");
  if (tensor_count > kTensorLimit)
    in.fail("F092", std::to_string(tensor_count) + " tensors; at most " +
                        std::to_string(kTensorLimit) + " are allowed");
  file.metadata_ = read_metadata(in, entry_count);
  const uint64_t alignment = alignment_of(in, file.metadata_);
  std::vector<uint64_t> offsets;
  file.tensors_ = read_tensors(in, tensor_count, alignment, offsets);
  const uint64_t start = align_up(in.position(), alignment);
  for (size_t i = 0; i < offsets.size(); ++i) {
    const GgufTensor& tensor = file.tensors_[i];
    const uint64_t end = start + offsets[i] + tensor.bytes;
    if (end > bytes.size())
      throw FileFormatError("F093", path.string(),
                            "tensor '" + shown(tensor.name) + "' ends at byte " +
                                std::to_string(end) + " but the file has " +
                                std::to_string(bytes.size()),
                            kDownloadHint);
    file.data_[tensor.name] = bytes.subspan(start + offsets[i], tensor.bytes);
  }
  const uint64_t end =
      offsets.empty() ? start
                      : align_up(start + offsets.back() + file.tensors_.back().bytes, alignment);
  if (bytes.size() > end)
    in.fail("F092", std::to_string(bytes.size() - end) + " bytes follow the last tensor");
  return file;
}

std::span<const std::byte> GgufFile::data(const std::string& name) const {
  auto found = data_.find(name);
  if (found == data_.end())
    throw FileFormatError("F013", path_.string(), "there is no tensor '" + shown(name) + "'",
                          "is this the right file?");
  return found->second;
}

}  // namespace slmtune::exporting
