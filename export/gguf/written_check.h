// Is a written GGUF file the one that was meant? Its blocks were decoded and compared with their
// source before they were written (encoded_run.h); read back, the file must hold those very blocks.
#pragma once
#include <filesystem>
#include <span>

#include "export/export.h"
#include "export/gguf/gguf_stream.h"

namespace slmtune::exporting {

// What the report says of a tensor. F095 when a value is further from its source than its encoding
// rounds. Columns that are weighted by importance pull the rounding of the others beyond that, so
// their tensors are held to it in the mean of squares. `to` is named in the message.
CheckedTensor check_difference(const PlannedTensor& planned, const Difference& found,
                               const std::filesystem::path& to);

// Re-opens the file with our own reader. F095 when it does not hold the tensors of the plan, or not
// the bytes that were handed to it; F09x when it is no GGUF file any more.
void check_written_file(std::span<const PlannedTensor> plan, std::span<const WrittenTensor> written,
                        const std::filesystem::path& path);

}  // namespace slmtune::exporting
