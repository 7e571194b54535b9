// safetensors files (https://github.com/huggingface/safetensors, README "Format"). Reading maps the file and checks all
// of the header before anything is used; nothing is allocated by a size the file claims. Writing goes through AtomicFile.
//
//   TensorFolder weights = TensorFolder::open("models/Qwen2.5-0.5B");
//   const TensorView& w = weights.at("model.norm.weight");            // F013 when absent
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/mapped_file.h"

namespace slmtune {

struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;        // row-major; empty = one element
  std::span<const std::byte> bytes;  // little-endian, valid while the file lives
  uint64_t elements() const;
};

class SafetensorsFile {
 public:
  // N001 missing; F010 header (size, JSON, duplicate names, unknown dtype, metadata); F011 ranges (gap, overlap, wrong
  // size, overflow); F012 truncated or trailing bytes; F015 a pickle under this name.
  static SafetensorsFile open(const std::filesystem::path& path);
  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit SafetensorsFile(MappedFile file) : file_(std::move(file)) {}
  MappedFile file_;
  std::filesystem::path path_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

// Whether a file is named as pickled weights are (.bin, .pt, .pth, .ckpt), and the error that refuses one: F015 with
// how to convert it. No pickle is ever read, since reading one runs what it says.
bool has_pickle_name(const std::filesystem::path& path);
[[noreturn]] void refuse_pickle(const std::filesystem::path& path,
                                const std::string& help = "load it where it was made and save it as safetensors");

// The weights of a Hugging Face folder: model.safetensors, or the shards that model.safetensors.index.json names
// (names in index and shards must be the same set: F014). `consolidated*.safetensors` is ignored. Only .bin/.pt weights
// there: F015.
class TensorFolder {
 public:
  static TensorFolder open(const std::filesystem::path& folder);
  const std::map<std::string, const TensorView*>& tensors() const { return tensors_; }
  bool contains(const std::string& name) const { return tensors_.count(name) != 0; }
  const TensorView& at(const std::string& name) const;  // F013: names the tensor and the folder
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, const TensorView*> tensors_;
};

// One tensor to write. `fill` is called once, in order, and hands the bytes over (so that only one tensor is in memory).
struct TensorSource {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  std::function<void(const std::function<void(std::span<const std::byte>)>& write)> fill;
};

// Writes through AtomicFile. Order in the file: as given. `metadata` gets {"format":"pt"} if absent. InternalError when
// a source writes another number of bytes than its shape says.
void write_safetensors(const std::filesystem::path& path, const std::vector<TensorSource>& tensors,
                       std::map<std::string, std::string> metadata = {});

}  // namespace slmtune
