#include "cli/engine/run_space.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "cli/engine/exports.h"
#include "cli/engine/publish.h"
#include "cli/engine/run_sizes.h"
#include "core/atomic_file.h"
#include "core/disk_space.h"
#include "core/text.h"
#include "models/families/family.h"
#include "models/stored_weights.h"
#include "train/checkpoint.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

// Cards, scores, tokenizer files, row index; and the entry of a tensor in a file's header.
constexpr uint64_t kSmallFiles = 16ull << 20, kEntryBytes = 256;

std::unique_ptr<models::CausalLM> skeleton_of(const ModelInputs& inputs,
                                              const kernels::DeviceChoice& device) {
  models::LoadOptions options;
  options.dtype = device.dtype;
  return models::find_family(inputs.config.architecture)->build(inputs.config, options);
}

// The tensors of an export without their values.
exporting::ModelParts planned_parts(const Recipe& recipe, const ModelInputs& inputs,
                                    models::CausalLM& skeleton) {
  exporting::ModelParts parts{inputs.config, {}, inputs.base, recipe.name};
  std::optional<TensorFolder> base;
  if (!inputs.facts && recipe.method != "full") base = TensorFolder::open(inputs.base);
  const auto stored =
      base ? models::stored_weights(*base) : std::map<std::string, models::StoredWeight>();
  skeleton.for_each_parameter([&](const std::string& name, at::Tensor& tensor) {
    const auto found = stored.find(name);
    const DType dtype = found != stored.end() ? found->second.dtype : stored_dtype(skeleton.dtype);
    parts.tensors.push_back({name, dtype, tensor.sizes().vec(), {}});
  });
  return parts;
}

// Sums by disk, so that exports beside the store count together with it.
class Disks {
 public:
  void add(const fs::path& folder, uint64_t bytes, const std::string& what) {
    const fs::path existing = existing_folder(folder);
    struct stat status {};
    stat(existing.c_str(), &status);  // a folder that cannot be asked: the check says so
    Disk& disk = disks_[status.st_dev];
    if (disk.folder.empty()) disk.folder = existing;
    disk.bytes += bytes;
    disk.what += (disk.what.empty() ? "" : ", ") + what + " " + human_bytes(bytes);
  }

  void check() const {
    for (const auto& [device, disk] : disks_)
      check_free_space(disk.folder, disk.bytes, "the run (" + disk.what + ")");
  }

 private:
  struct Disk {
    fs::path folder;
    uint64_t bytes = 0;
    std::string what;
  };
  std::map<dev_t, Disk> disks_;
};

}  // namespace

void check_run_space(const Recipe& recipe, const ModelInputs& inputs,
                     const kernels::DeviceChoice& device) {
  const auto skeleton = skeleton_of(inputs, device);
  const train::TrainedSizes trained = trained_sizes(recipe, inputs.config, inputs.adapter);
  // Adapters are float32 beside any base.
  const bool is_full = recipe.method == "full";
  const uint64_t value_bytes = is_full ? dtype_bytes(stored_dtype(device.dtype)) : 4;
  const uint64_t entries = trained.tensors.size() * kEntryBytes;
  const uint64_t weights = static_cast<uint64_t>(trained.values()) * value_bytes + entries;
  const uint64_t stored = static_cast<uint64_t>(trained.stored_values()) * value_bytes + entries;
  const uint64_t moments =
      train::moment_bytes(recipe.train.optimizer, static_cast<int64_t>(value_bytes), trained) +
      4 * entries;
  // The newest ones, that of the best validation, and the next, which is written before an old one
  // goes.
  const uint64_t checkpoints = train::kKeptCheckpoints + 2;
  Disks disks;
  disks.add(recipe.store, checkpoints * (weights + moments + kEntryBytes),
            fmt::format("{} checkpoints", checkpoints));
  disks.add(recipe.store, stored + kSmallFiles, "the snapshot");
  if (recipe.exports.empty()) return disks.check();
  const exporting::ModelParts parts = planned_parts(recipe, inputs, *skeleton);
  for (const ExportChoice& choice : recipe.exports) {
    uint64_t bytes = stored;  // gguf-lora: the adapter once more
    std::string form = "an adapter";
    if (choice.format == "hf") {
      bytes = exporting::hf_folder_bytes(parts);
      form = "a folder";
    } else if (choice.format == "gguf") {
      bytes = exporting::gguf_model_bytes(parts, inputs.text.tokenizer, choice.encoding);
      form = choice.encoding;
    }
    disks.add(folder_of(export_path(recipe, 1, choice)), bytes, "the export as " + form);
  }
  disks.check();
}

}  // namespace slmtune::cli
