// TensorBoard event files: protobuf messages `Event` in TFRecord framing
// (tensorflow/core/util/event.proto and tensorflow/core/lib/io/record_writer.h), just the fields
// that scalars need.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace slmtune::train {

// Makes events.out.tfevents.<unix time>.slmtune in `folder` and returns its path. Events of older
// files of the folder from `first_step` on no longer count (a run that goes on from a checkpoint
// does those steps again). W001, W003, W004.
std::filesystem::path start_event_file(const std::filesystem::path& folder, int64_t first_step);

// Appends one event with the scalars. W001, W002.
void append_scalars(const std::filesystem::path& file, int64_t step,
                    const std::vector<std::pair<std::string, double>>& scalars);

}  // namespace slmtune::train
