#include "train/checkpoint.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <span>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "core/safetensors.h"
#include "train/checkpoint_folders.h"

namespace slmtune::train {
namespace {

namespace fs = std::filesystem;
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

DType stored_dtype(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return DType::kF32;
    case at::kDouble:
      return DType::kF64;
    case at::kBFloat16:
      return DType::kBF16;
    case at::kHalf:
      return DType::kF16;
    default:
      throw InternalError("X001", "", "a training tensor has an unexpected type");
  }
}

void save_tensors(const fs::path& file, const NamedTensors& tensors) {
  std::vector<TensorSource> sources;
  for (const auto& [name, tensor] : tensors)
    sources.push_back(
        {name, stored_dtype(tensor), tensor.sizes().vec(), [&tensor](const auto& write) {
           at::Tensor host = tensor.detach().to(at::kCPU).contiguous();
           write({static_cast<const std::byte*>(host.const_data_ptr()),
                  static_cast<size_t>(host.nbytes())});
         }});
  write_safetensors(file, sources);
}

std::string shape_text(const at::Tensor& tensor) {
  std::string text = "[";
  for (int64_t i = 0; i < tensor.dim(); ++i)
    text += (i ? ", " : "") + std::to_string(tensor.size(i));
  return text + "]";
}

// Copies every trainable tensor of the model from the file; nothing may be missing.
void load_model_tensors(const fs::path& file, models::CausalLM& model) {
  at::NoGradGuard no_gradient;
  SafetensorsFile stored = SafetensorsFile::open(file);
  const char* help = "the checkpoint belongs to another model or adapter; start a new run";
  for (auto& [name, tensor] : models::trainable_tensors(model)) {
    auto found = stored.tensors().find(name);
    if (found == stored.tensors().end())
      throw FileFormatError("F080", file.string(), "tensor '" + name + "' is missing", help);
    at::Tensor value = models::borrow_tensor(found->second);
    if (value.sizes() != tensor.sizes() || value.scalar_type() != tensor.scalar_type())
      throw FileFormatError("F080", file.string(),
                            "tensor '" + name + "' has shape " + shape_text(value) +
                                " or a type that the model's " + shape_text(tensor) +
                                " does not fit",
                            help);
    tensor.copy_(value);
  }
}

void load_optimizer(const fs::path& file, AdamW& optimizer) {
  SafetensorsFile stored = SafetensorsFile::open(file);
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, view] : stored.tensors()) state[name] = models::borrow_tensor(view);
  optimizer.load_state(state);
}

void check_identity(const fs::path& checkpoint, const TrainState& state,
                    const std::map<std::string, std::string>& identity) {
  for (const auto& [field, value] : identity) {
    auto saved = state.identity.find(field);
    if (saved != state.identity.end() && saved->second == value) continue;
    throw UserError("T010", checkpoint.string(),
                    "'" + field + "' is not what it was when this checkpoint was saved",
                    "put it back to continue, or start over with --resume never");
  }
}

bool is_intact(const fs::path& checkpoint) {
  try {
    read_verified_state(checkpoint);
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

void save_checkpoint(const fs::path& run, models::CausalLM& model, const AdamW& optimizer,
                     const TrainState& state, int keep) {
  fs::path target = checkpoint_path(run, state.step);
  fs::path staging = target.parent_path() / ("." + target.filename().string() + ".partial");
  if (fs::exists(target)) {
    if (is_intact(target)) return;
    fs::remove_all(target);
  }
  fs::remove_all(staging);
  make_folder(staging);
  std::map<std::string, at::Tensor> moments = optimizer.state();
  save_tensors(staging / kCheckpointFiles[0], models::trainable_tensors(model));
  save_tensors(staging / kCheckpointFiles[1], {moments.begin(), moments.end()});
  write_state(staging, state);
  publish_folder(staging, target);
  remove_old_checkpoints(run, state.step, keep);
}

std::optional<fs::path> latest_checkpoint(const fs::path& run) {
  std::vector<CheckpointFolder> folders = checkpoint_folders(run);
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {
    try {
      read_verified_state(folder->path);
      return folder->path;
    } catch (const Error& error) {
      const Diagnostic& first = error.diagnostics().front();
      log_warning("checkpoint passed over: " + first.where + ": " + first.what);
    }
  }
  return std::nullopt;
}

TrainState load_checkpoint(const fs::path& checkpoint, models::CausalLM& model, AdamW& optimizer,
                           const std::map<std::string, std::string>& identity) {
  TrainState state = read_verified_state(checkpoint);
  check_identity(checkpoint, state, identity);
  load_model_tensors(checkpoint / kCheckpointFiles[0], model);
  load_optimizer(checkpoint / kCheckpointFiles[1], optimizer);
  return state;
}

}  // namespace slmtune::train
