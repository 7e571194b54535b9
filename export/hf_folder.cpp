#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <map>
#include <string_view>
#include <system_error>

#include "core/atomic_file.h"
#include "core/disk_space.h"
#include "core/error.h"
#include "core/json.h"
#include "core/shape.h"
#include "data/tokenizer/tokenizer.h"
#include "export/export.h"

namespace slmtune::exporting {
namespace {

namespace fs = std::filesystem;

// Files beside the weights that a loader of the folder may want, and the terms of the licence.
// Copied besides the tokenizer's files.
constexpr std::string_view kCopiedFiles[] = {"generation_config.json", "LICENSE", "LICENSE.txt",
                                             "NOTICE"};

uint64_t bytes_of(const TensorSource& source) {
  return dtype_bytes(source.dtype) * static_cast<uint64_t>(shape_elements(source.shape));
}

std::vector<TensorSource> stored_tensors(const ModelParts& parts) {
  std::vector<TensorSource> stored;
  for (const TensorSource& source : parts.tensors)
    if (!(parts.config.tied_embeddings && source.name == "lm_head.weight"))
      stored.push_back(source);
  return stored;
}

// Runs of tensors of at most `limit` bytes; a larger tensor has a shard of its own.
std::vector<std::vector<TensorSource>> shards_of(const std::vector<TensorSource>& tensors,
                                                 uint64_t limit) {
  std::vector<std::vector<TensorSource>> shards(1);
  uint64_t used = 0;
  for (const TensorSource& tensor : tensors) {
    if (!shards.back().empty() && used + bytes_of(tensor) > limit) {
      shards.emplace_back();
      used = 0;
    }
    used += bytes_of(tensor);
    shards.back().push_back(tensor);
  }
  return shards;
}

std::string shard_name(size_t index, size_t count) {
  char name[64];
  std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", index + 1, count);
  return name;
}

void write_weights(const std::vector<TensorSource>& tensors, const fs::path& folder,
                   uint64_t shard_bytes) {
  const auto shards = shards_of(tensors, shard_bytes);
  if (shards.size() == 1) return write_safetensors(folder / "model.safetensors", shards.front());
  Json map = Json::object();
  uint64_t total = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shard_name(i, shards.size());
    write_safetensors(folder / name, shards[i]);
    for (const TensorSource& tensor : shards[i]) {
      map[tensor.name] = name;
      total += bytes_of(tensor);
    }
  }
  const Json index{{"metadata", {{"total_size", total}}}, {"weight_map", map}};
  write_file(folder / "model.safetensors.index.json", index.dump(2) + "\n");
}

// transformers' word for the dtype that most bytes have.
std::string main_dtype(const std::vector<TensorSource>& tensors) {
  std::map<DType, uint64_t> bytes;
  for (const TensorSource& tensor : tensors) bytes[tensor.dtype] += bytes_of(tensor);
  DType main = DType::kF32;
  for (const auto& [dtype, count] : bytes)
    if (count > bytes[main]) main = dtype;
  switch (main) {
    case DType::kF16:
      return "float16";
    case DType::kBF16:
      return "bfloat16";
    case DType::kF64:
      return "float64";
    default:
      return "float32";
  }
}

// The model's own config; only the stored dtype may have changed. Newer files call the key 'dtype'.
std::string config_text(const ModelParts& parts, const std::vector<TensorSource>& tensors) {
  Json config = parts.config.json;
  const std::string dtype = main_dtype(tensors);
  if (config.contains("dtype")) config["dtype"] = dtype;
  if (config.contains("torch_dtype") || !config.contains("dtype")) config["torch_dtype"] = dtype;
  return config.dump(2) + "\n";
}

// The folder while it is filled, beside its later place. Removed unless published, and so are those
// of processes that died.
class StagingFolder {
 public:
  explicit StagingFolder(const fs::path& to) : to_(to) {
    const std::string prefix = "." + to.filename().string() + ".staging-";
    make_folder(folder_of(to));
    remove_abandoned(prefix);
    path_ = folder_of(to) / (prefix + std::to_string(getpid()));
    try {
      make_folder(path_);
    } catch (...) {
      remove();
      throw;
    }
  }
  ~StagingFolder() { remove(); }
  StagingFolder(const StagingFolder&) = delete;
  StagingFolder& operator=(const StagingFolder&) = delete;
  const fs::path& path() const { return path_; }

  void publish() {
    std::error_code ignored;
    fs::remove(to_, ignored);  // an empty folder; anything else stays and publish_folder refuses
    publish_folder(path_, to_);
  }

 private:
  void remove() const {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  void remove_abandoned(const std::string& prefix) {
    for (const auto& entry : fs::directory_iterator(folder_of(to_))) {
      const std::string name = entry.path().filename().string();
      pid_t pid = 0;
      if (!name.starts_with(prefix)) continue;
      const auto parsed =
          std::from_chars(name.data() + prefix.size(), name.data() + name.size(), pid);
      const bool ours = pid == getpid(), dead = pid > 0 && kill(pid, 0) != 0 && errno == ESRCH;
      if (parsed.ptr == name.data() + name.size() && (ours || dead)) fs::remove_all(entry.path());
    }
  }

  fs::path to_, path_;
};

void check_target(const fs::path& to) {
  std::error_code failure;
  const fs::file_status status = fs::status(to, failure);
  if (!fs::exists(status)) return;
  if (fs::is_directory(status) && fs::is_empty(to)) return;
  throw IoError("W004", to.string(),
                fs::is_directory(status) ? "the folder is not empty" : "this is a file",
                "name a new folder");
}

}  // namespace

uint64_t hf_folder_bytes(const ModelParts& parts) {
  uint64_t bytes = 16ull << 20;  // tokenizer files and headers
  for (const TensorSource& tensor : stored_tensors(parts)) bytes += bytes_of(tensor);
  return bytes;
}

void write_hf_folder(const ModelParts& parts, const fs::path& to_given, uint64_t shard_bytes) {
  const fs::path to = to_given.filename().empty() ? to_given.parent_path() : to_given;  // "out/"
  check_target(to);
  const std::vector<TensorSource> tensors = stored_tensors(parts);
  check_free_space(existing_folder(folder_of(to)), hf_folder_bytes(parts), "the export");
  StagingFolder staging(to);
  write_weights(tensors, staging.path(), shard_bytes);
  write_file(staging.path() / "config.json", config_text(parts, tensors));
  auto copy = [&](std::string_view name) {
    if (fs::is_regular_file(parts.folder / name))
      copy_file_atomically(parts.folder / name, staging.path() / name);
  };
  for (std::string_view name : data::tokenizer_file_names()) copy(name);
  for (std::string_view name : kCopiedFiles) copy(name);
  staging.publish();
}

}  // namespace slmtune::exporting
