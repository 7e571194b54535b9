#include "train/checkpoint.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/folder_removal.h"
#include "core/log.h"
#include "core/mapped_file.h"
#include "core/safetensors.h"
#include "core/shape.h"
#include "train/checkpoint_folders.h"

namespace slmtune::train {
namespace {

namespace fs = std::filesystem;

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
    case at::kByte:
      return DType::kU8;
    default:
      throw InternalError("X001", "", "a training tensor has an unexpected type");
  }
}

// The values in host memory, in the order of the file.
at::Tensor host_values(const at::Tensor& tensor) {
  return tensor.detach().to(at::kCPU).contiguous();
}

std::span<const std::byte> bytes_of(const at::Tensor& host) {
  return {static_cast<const std::byte*>(host.const_data_ptr()), static_cast<size_t>(host.nbytes())};
}

bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

void save_tensors(const fs::path& file, const NamedTensors& tensors) {
  std::vector<TensorSource> sources;
  for (const auto& [name, tensor] : tensors)
    sources.push_back(
        {name, stored_dtype(tensor), tensor.sizes().vec(), [&tensor](const auto& write) {
           const at::Tensor host = host_values(tensor);
           write(bytes_of(host));
         }});
  write_safetensors(file, sources);
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
                            "tensor '" + name + "' has shape " + shape_text(value.sizes()) +
                                " or a type that the model's " + shape_text(tensor.sizes()) +
                                " does not fit",
                            help);
    tensor.copy_(value);
  }
}

// Moments of 8 bits, which no weight can have.
at::Tensor borrow_codes(const TensorView& view) {
  if (view.elements() == 0) return at::empty(view.shape, at::kByte);
  return at::from_blob(const_cast<std::byte*>(view.bytes.data()), view.shape, at::kByte);
}

void load_optimizer(const fs::path& file, Optimizer& optimizer) {
  SafetensorsFile stored = SafetensorsFile::open(file);
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, view] : stored.tensors())
    state[name] = view.dtype == DType::kU8 ? borrow_codes(view) : models::borrow_tensor(view);
  optimizer.load_state(state);
}

void load_tensors(const fs::path& checkpoint, models::CausalLM& model, Optimizer& optimizer) {
  load_model_tensors(checkpoint / kCheckpointFiles[0], model);
  load_optimizer(checkpoint / kCheckpointFiles[1], optimizer);
}

bool is_intact(const fs::path& checkpoint) {
  try {
    read_verified_state(checkpoint);
    return true;
  } catch (const Error&) {
    return false;
  }
}

void write_checkpoint(const fs::path& folder, models::CausalLM& model, const Optimizer& optimizer,
                      const TrainState& state) {
  const std::map<std::string, at::Tensor> state_tensors = optimizer.state();
  const NamedTensors weights = models::trainable_tensors(model),
                     moments(state_tensors.begin(), state_tensors.end());
  save_tensors(folder / kCheckpointFiles[0], weights);
  save_tensors(folder / kCheckpointFiles[1], moments);
  write_state(folder, state);
  check_read_back(folder / kCheckpointFiles[0], weights);
  check_read_back(folder / kCheckpointFiles[1], moments);
}

}  // namespace

void check_read_back(const fs::path& file, const NamedTensors& tensors) {
  const SafetensorsFile stored = SafetensorsFile::open(file);
  for (const auto& [name, tensor] : tensors) {
    auto found = stored.tensors().find(name);
    const at::Tensor host = host_values(tensor);
    if (found == stored.tensors().end() || !same_bytes(found->second.bytes, bytes_of(host)))
      throw IoError("W001", file.string(), "what was read back is not what was written",
                    "check the disk; the checkpoints before this one are untouched");
    release_pages(found->second.bytes);  // a whole checkpoint never counts as memory
  }
}

void save_checkpoint(const fs::path& run, models::CausalLM& model, const Optimizer& optimizer,
                     const TrainState& state, int keep) {
  fs::path target = checkpoint_path(run, state.step);
  fs::path staging = target.parent_path() / ("." + target.filename().string() + ".partial");
  if (fs::exists(target)) {
    if (is_intact(target)) return sweep_checkpoints(run);
    hide_folder(target);
  }
  sweep_checkpoints(run);
  try {
    make_folder(staging);
    write_checkpoint(staging, model, optimizer, state);
    publish_folder(staging, target);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(staging, ignored);  // a full disk gets its room back
    throw;
  }
  remove_old_checkpoints(run, state.step, state.best_valid_step, keep);
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

TrainState load_checkpoint(const fs::path& checkpoint, models::CausalLM& model,
                           Optimizer& optimizer, const Identity& identity) {
  TrainState state = read_verified_state(checkpoint);
  const std::vector<IdentityChange> changes = identity_changes(state.identity, identity);
  if (!changes.empty()) refuse_changes(checkpoint, changes);
  load_tensors(checkpoint, model, optimizer);
  return state;
}

void load_weights(const fs::path& checkpoint, models::CausalLM& model, Optimizer& optimizer) {
  read_verified_state(checkpoint);
  load_tensors(checkpoint, model, optimizer);
}

}  // namespace slmtune::train
