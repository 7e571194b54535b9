#include "models/stored_weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <string_view>

#include "core/error.h"
#include "core/json.h"
#include "core/stop.h"
#include "core/text.h"
#include "kernels/quant/dynamic_map.h"
#include "kernels/quant/nf4/nf4_blocks.h"
#include "kernels/quant/nf4/nf4_weight.h"
#include "models/causal_lm.h"

namespace slmtune::models {
namespace {

constexpr std::string_view kState = ".quant_state.";
constexpr const char* kNf4 = "bitsandbytes__nf4";
constexpr size_t kStateLimit = 4096;  // bytes of the description; published ones have 200
constexpr int64_t kSizeLimit = 1ll << 31;
constexpr const char* kHelp =
    "fetch the model again, or take its 16-bit folder and quantise with model.quant: nf4";

int64_t pieces(int64_t count, int64_t size) {
  return (count + size - 1) / size;
}

// Reads the parts of one 4-bit weight, `name`, out of `files`.
class QuantisedReader {
 public:
  QuantisedReader(const TensorFolder& files, const std::string& name)
      : files_(files), name_(name), where_("4-bit weight '" + shown(name) + "'") {}

  StoredWeight read();
  const std::set<std::string>& used() const { return used_; }

 private:
  const TensorView* find(const std::string& part);
  const TensorView* need(const std::string& part, DType dtype, int64_t count);
  void read_description();
  void read_nested();
  void check_keys() const;
  int64_t block_size(const std::string& key) const;
  void check_table(const TensorView& view, std::span<const float> expected) const;
  void check_finite(const TensorView& view) const;
  [[noreturn]] void fail(const std::string& what) const {
    throw FileFormatError("F058", where_, what, kHelp);
  }

  const TensorFolder& files_;
  const std::string name_, where_;
  Json state_;
  StoredWeight weight_;
  std::set<std::string> used_;
};

const TensorView* QuantisedReader::find(const std::string& part) {
  const std::string full = name_ + part;
  if (!files_.contains(full)) return nullptr;
  used_.insert(full);
  return &files_.at(full);
}

const TensorView* QuantisedReader::need(const std::string& part, DType dtype, int64_t count) {
  const TensorView* view = find(part);
  if (view == nullptr) fail("its tensor '" + part.substr(1) + "' is missing");
  if (view->dtype != dtype)
    fail("its tensor '" + part.substr(1) + "' is " + std::string(dtype_name(view->dtype)) +
         ", expected " + std::string(dtype_name(dtype)));
  if (view->elements() != static_cast<uint64_t>(count))
    throw FileFormatError("F057", where_,
                          "its tensor '" + part.substr(1) + "' has " +
                              std::to_string(view->elements()) + " values, expected " +
                              std::to_string(count),
                          kHelp);
  return view;
}

void QuantisedReader::check_keys() const {
  static const std::set<std::string> known = {"quant_type",   "blocksize",        "dtype",
                                              "shape",        "nested_blocksize", "nested_dtype",
                                              "nested_offset"};
  if (!state_.is_object()) fail("its description is no JSON object");
  for (const auto& [key, value] : state_.items())
    if (!known.contains(key)) fail("its description has an unknown key '" + shown(key) + "'");
  const std::string type = json_text(state_, "quant_type", where_);
  if (type != "nf4") fail("its description says '" + shown(type) + "' instead of 'nf4'");
}

int64_t QuantisedReader::block_size(const std::string& key) const {
  const int64_t size = json_integer(state_, key, where_);
  if (size < 32 || size > 4096 || !std::has_single_bit(static_cast<uint64_t>(size)))
    fail("'" + key + "' is " + std::to_string(size) +
         "; expected a power of two between 32 and 4096");
  return size;
}

void QuantisedReader::read_description() {
  const TensorView& view = *find(std::string(kState) + kNf4);
  if (view.dtype != DType::kU8 || view.bytes.size() > kStateLimit)
    fail("its description is no short text of bytes");
  state_ =
      parse_json({reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size()}, where_);
  check_keys();
  weight_.block = block_size("blocksize");
  const std::string dtype = json_text(state_, "dtype", where_);
  if (dtype == "bfloat16")
    weight_.dtype = DType::kBF16;
  else if (dtype == "float16")
    weight_.dtype = DType::kF16;
  else if (dtype != "float32")
    fail("'dtype' is '" + shown(dtype) + "'; expected 'bfloat16', 'float16' or 'float32'");
  const Json& shape = state_.value("shape", Json());
  if (!shape.is_array() || shape.size() != 2) fail("'shape' is not a list of two sizes");
  for (const Json& size : shape) {
    const bool is_size = size.is_number_unsigned() && size.get<uint64_t>() > 0 &&
                         size.get<uint64_t>() < static_cast<uint64_t>(kSizeLimit);
    if (!is_size) fail("'shape' has an entry that is no size");
    weight_.shape.push_back(size.get<int64_t>());
  }
}

void QuantisedReader::check_finite(const TensorView& view) const {
  for (uint64_t i = 0; i < view.elements(); ++i) {
    float value;
    std::memcpy(&value, view.bytes.data() + i * sizeof value, sizeof value);
    if (!std::isfinite(value)) fail("a block scale is not a finite number");
  }
}

// The stored tables are those that decoding uses; others would mean other values.
void QuantisedReader::check_table(const TensorView& view, std::span<const float> expected) const {
  constexpr float kTolerance = 1e-5f;  // of other versions' rounding
  for (size_t i = 0; i < expected.size(); ++i) {
    float value;
    std::memcpy(&value, view.bytes.data() + i * sizeof value, sizeof value);
    if (!(std::abs(value - expected[i]) <= kTolerance * std::abs(expected[i])))
      fail("its table of values is not that of NF4 at place " + std::to_string(i));
  }
}

void QuantisedReader::read_nested() {
  const int64_t blocks = pieces(weight_.shape[0] * weight_.shape[1], weight_.block);
  weight_.nested_block = block_size("nested_blocksize");
  if (json_text(state_, "nested_dtype", where_) != "float32")
    fail("'nested_dtype' is not 'float32'");
  const double offset = json_number(state_, "nested_offset", where_);
  if (!(std::abs(offset) <= std::numeric_limits<float>::max()))
    fail("'nested_offset' is beyond what a float32 holds");
  weight_.offset = static_cast<float>(offset);
  weight_.absmax = need(".absmax", DType::kU8, blocks);
  weight_.nested_absmax = need(".nested_absmax", DType::kF32, pieces(blocks, weight_.nested_block));
  check_table(*need(".nested_quant_map", DType::kF32, 256), kernels::signed_dynamic_map());
  check_finite(*weight_.nested_absmax);
}

StoredWeight QuantisedReader::read() {
  read_description();
  const int64_t count = weight_.shape[0] * weight_.shape[1];
  weight_.bytes = find("");
  if (weight_.bytes == nullptr) fail("its codes are missing");
  // Any type may hold them (bitsandbytes' quant_storage); only their bytes count.
  if (weight_.bytes->bytes.size() != static_cast<uint64_t>(pieces(count, 2)))
    throw FileFormatError("F057", where_,
                          "its codes have " + std::to_string(weight_.bytes->bytes.size()) +
                              " bytes, expected " + std::to_string(pieces(count, 2)),
                          kHelp);
  check_table(*need(".quant_map", DType::kF32, 16), kernels::nf4_values());
  if (find(".nested_absmax") != nullptr || state_.contains("nested_blocksize")) {
    read_nested();
  } else {
    weight_.absmax = need(".absmax", DType::kF32, pieces(count, weight_.block));
    check_finite(*weight_.absmax);
  }
  return weight_;
}

// Copies a piece at a time and lets go of the pages it came from.
at::Tensor copy_bytes(const TensorView& view, at::ScalarType type) {
  constexpr size_t kPiece = 4 << 20;
  at::Tensor copy = at::empty({static_cast<int64_t>(view.bytes.size() / c10::elementSize(type))},
                              at::TensorOptions().dtype(type));
  auto* target = static_cast<std::byte*>(copy.mutable_data_ptr());
  for (size_t first = 0; first < view.bytes.size(); first += kPiece) {
    check_stop();
    const auto piece = view.bytes.subspan(first, std::min(kPiece, view.bytes.size() - first));
    std::memcpy(target + first, piece.data(), piece.size());
    release_pages(piece);
  }
  return copy;
}

kernels::Nf4Weight nf4_weight(const StoredWeight& weight) {
  kernels::Nf4Tensors stored;
  stored.packed = copy_bytes(*weight.bytes, at::kByte);
  stored.absmax = copy_bytes(*weight.absmax, weight.nested_absmax ? at::kByte : at::kFloat);
  if (weight.nested_absmax != nullptr) {
    stored.nested_absmax = copy_bytes(*weight.nested_absmax, at::kFloat);
    stored.nested_block = weight.nested_block;
    stored.offset = weight.offset;
  }
  stored.block = weight.block;
  return {weight.shape[0], weight.shape[1], std::move(stored)};
}

// What stands before ".quant_state.", for each such tensor; F051 for other formats than NF4.
std::set<std::string> quantised_names(const TensorFolder& files) {
  std::set<std::string> names;
  for (const auto& [name, view] : files.tensors()) {
    const size_t at = name.find(kState);
    if (at == std::string::npos) continue;
    const std::string format = name.substr(at + kState.size());
    if (format != kNf4)
      throw FileFormatError(
          "F051", files.path().string(),
          "'" + shown(name.substr(0, at)) + "' is stored as '" + shown(format) +
              "', which is not supported",
          "supported: the 4-bit format nf4 of bitsandbytes, and weights in F32, BF16, F16, F64");
    names.insert(name.substr(0, at));
  }
  return names;
}

}  // namespace

std::map<std::string, StoredWeight> stored_weights(const TensorFolder& files) {
  std::map<std::string, StoredWeight> weights;
  std::set<std::string> parts;
  for (const std::string& name : quantised_names(files)) {
    QuantisedReader reader(files, name);
    weights[name] = reader.read();
    parts.insert(reader.used().begin(), reader.used().end());
  }
  for (const auto& [name, view] : files.tensors())
    if (!parts.contains(name)) weights[name] = {view->dtype, view->shape, view};
  return weights;
}

std::unique_ptr<kernels::FrozenWeight> read_4bit(const StoredWeight& weight) {
  return std::make_unique<kernels::Nf4Weight>(nf4_weight(weight));
}

std::optional<at::ScalarType> weight_type(DType dtype) {
  switch (dtype) {
    case DType::kF16:
      return at::kHalf;
    case DType::kBF16:
      return at::kBFloat16;
    case DType::kF32:
      return at::kFloat;
    case DType::kF64:
      return at::kDouble;
    default:
      return std::nullopt;
  }
}

at::Tensor stored_values(const StoredWeight& weight) {
  if (!weight.is_4bit()) return borrow_tensor(*weight.bytes);
  return nf4_weight(weight).dense(*weight_type(weight.dtype));
}

}  // namespace slmtune::models
