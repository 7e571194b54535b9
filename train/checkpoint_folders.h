// The folders below <run>/checkpoints: their names, their state.json, and whether the files are the
// ones that were saved.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "train/checkpoint.h"

namespace slmtune::train {

struct CheckpointFolder {
  int64_t step = 0;
  std::filesystem::path path;
};

inline constexpr const char* kCheckpointFiles[] = {"model.safetensors", "optimizer.safetensors"};

std::filesystem::path checkpoint_path(const std::filesystem::path& run, int64_t step);

// Published checkpoints, oldest first; those without state.json do not count.
std::vector<CheckpointFolder> checkpoint_folders(const std::filesystem::path& run);

// Leaves the last `keep` up to `newest_step` and that of `best_step` (−1 = none), and sweeps. What
// goes is renamed first and that made durable, so that no crash leaves a part under its name.
void remove_old_checkpoints(const std::filesystem::path& run, int64_t newest_step,
                            int64_t best_step, int keep);

// Removes what interrupted saves and removals left behind.
void sweep_checkpoints(const std::filesystem::path& run);

// Writes state.json with size and SHA-256 of the other files of `folder`, and of itself.
void write_state(const std::filesystem::path& folder, const TrainState& state);

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// Compares each tensor of `file` with the one in memory, bit by bit. W001 where they differ.
void check_read_back(const std::filesystem::path& file, const NamedTensors& tensors);

// Reads state.json and checks the other files against it. N001, F081.
TrainState read_verified_state(const std::filesystem::path& folder);

}  // namespace slmtune::train
