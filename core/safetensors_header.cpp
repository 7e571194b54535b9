#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/internal/safetensors_header.h"
#include "core/text.h"

namespace slmtune {
namespace {

// Entries of a table in memory are larger than in the file, so their number is bounded too.
constexpr size_t kTensorLimit = 100'000, kMetadataLimit = 10'000, kDimensionLimit = 64;

// Level 1 holds tensor names, level 2 a tensor's fields (or the metadata), level 3 the numbers of
// shape and data_offsets.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(SafetensorsHeader& header, std::string where)
      : header_(header), where_(std::move(where)) {}

  bool start_object(std::size_t) override {
    if (level_ == 2 || in_array_) fail(subject() + " nests too deep");
    if (++level_ == 2) start_entry();
    return true;
  }

  bool end_object() override {
    if (level_ == 2 && !in_metadata_) finish_entry();
    if (level_ == 2) in_metadata_ = false;
    --level_;
    return true;
  }

  bool start_array(std::size_t) override {
    if (level_ != 2 || in_metadata_ || in_array_)
      fail(subject() + " has a list where none belongs");
    std::optional<std::vector<uint64_t>>* list = list_of_field();
    if (!list) fail(subject() + " has a list in '" + shown(field_) + "'");
    list->emplace();
    numbers_ = &**list;
    in_array_ = true;
    return true;
  }

  bool end_array() override {
    in_array_ = false;
    return true;
  }

  bool key(std::string& name) override {
    if (level_ == 1) {
      name_ = name;
      return true;
    }
    field_ = name;
    if (in_metadata_) {
      if (header_.metadata.count(name)) fail("metadata '" + shown(name) + "' stands there twice");
    } else if (name != "dtype" && name != "shape" && name != "data_offsets") {
      fail(subject() + " has an unknown field '" + shown(name) + "'");
    } else if ((name == "dtype" && dtype_) || (name == "shape" && shape_) ||
               (name == "data_offsets" && offsets_)) {
      fail(subject() + " has '" + name + "' twice");
    }
    return true;
  }

  bool string(std::string& value) override {
    if (level_ == 2 && in_metadata_) {
      header_.metadata[field_] = value;
      if (header_.metadata.size() > kMetadataLimit)
        fail("the metadata has more than " + std::to_string(kMetadataLimit) + " entries");
      return true;
    }
    if (level_ != 2 || in_array_ || field_ != "dtype")
      fail(subject() + " has a text where none belongs");
    dtype_ = dtype_from_name(value);
    if (!dtype_)
      fail(subject() + " has dtype '" + shown(value) + "', which slmtune does not read",
           "convert the file to F32, F16 or BF16");
    return true;
  }

  bool number_unsigned(uint64_t value) override {
    if (!in_array_) fail(subject() + " has a number where none belongs");
    if (numbers_->size() == kDimensionLimit)
      fail(subject() + " has more than " + std::to_string(kDimensionLimit) + " numbers in '" +
           field_ + "'");
    numbers_->push_back(value);
    return true;
  }

  bool number_integer(int64_t) override { fail(subject() + " has a negative number"); }
  bool number_float(double, const std::string&) override { fail(subject() + " has a fraction"); }
  bool boolean(bool) override { fail(subject() + " has a truth value where none belongs"); }
  bool null() override { fail(subject() + " has a null"); }
  bool binary(nlohmann::json::binary_t&) override { fail(subject() + " has binary data"); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    fail("the header is no JSON (byte " + std::to_string(8 + position) + ")");
  }

 private:
  [[noreturn]] void fail(const std::string& what, const std::string& help = "") const {
    throw FileFormatError("F010", where_, what,
                          help.empty() ? "fetch or convert the file again" : help);
  }

  std::string subject() const {
    if (in_metadata_) return "metadata '" + shown(field_) + "'";
    return level_ == 0 || name_.empty() ? "the header" : "tensor '" + shown(name_) + "'";
  }

  std::optional<std::vector<uint64_t>>* list_of_field() {
    return field_ == "shape" ? &shape_ : field_ == "data_offsets" ? &offsets_ : nullptr;
  }

  void start_entry() {
    in_metadata_ = name_ == "__metadata__";
    field_.clear();
    dtype_.reset();
    shape_.reset();
    offsets_.reset();
    if (in_metadata_ ? std::exchange(seen_metadata_, true) : header_.tensors.count(name_) != 0)
      fail(in_metadata_ ? "'__metadata__' stands there twice" : subject() + " stands there twice");
  }

  void finish_entry() {
    if (!dtype_) fail(subject() + " has no dtype");
    if (!shape_) fail(subject() + " has no shape");
    if (!offsets_) fail(subject() + " has no data_offsets");
    if (offsets_->size() != 2)
      fail(subject() + " needs two data_offsets, got " + std::to_string(offsets_->size()));
    if (header_.tensors.size() == kTensorLimit)
      fail("the header has more than " + std::to_string(kTensorLimit) + " tensors");
    HeaderEntry entry{*dtype_, {}, (*offsets_)[0], (*offsets_)[1]};
    for (uint64_t size : *shape_) {
      if (size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
        fail(subject() + " has a dimension of " + std::to_string(size));
      entry.shape.push_back(static_cast<int64_t>(size));
    }
    header_.tensors.emplace(name_, std::move(entry));
  }

  SafetensorsHeader& header_;
  std::string where_, name_, field_;
  int level_ = 0;
  bool in_array_ = false, in_metadata_ = false, seen_metadata_ = false;
  std::vector<uint64_t>* numbers_ = nullptr;
  std::optional<DType> dtype_;
  std::optional<std::vector<uint64_t>> shape_, offsets_;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& where) {
  // The parser takes a NUL byte for the end and would ignore what follows; the reference refuses it
  // too.
  if (json.empty() || json.front() != '{' || json.find('\0') != std::string_view::npos)
    throw FileFormatError("F010", where, "the header is no JSON object",
                          "check that this is a safetensors file");
  SafetensorsHeader header;
  HeaderReader reader(header, where);
  nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
  return header;
}

}  // namespace slmtune
