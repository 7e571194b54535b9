// An adapter as a GGUF file for llama.cpp's --lora; shared by train and export.
#pragma once
#include <filesystem>
#include <string>

#include "cli/engine/model_source.h"
#include "core/json.h"

namespace slmtune::cli {

// The adapter of `source`; the values of its base are not read. What was made, for summary and
// --json. U005 when there is no adapter; errors of lora::read_stored_adapter and
// exporting::write_gguf_lora.
OrderedJson export_gguf_lora(const ModelSource& source, const std::string& name,
                             const std::filesystem::path& to);

}  // namespace slmtune::cli
