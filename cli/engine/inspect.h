// What `slmtune inspect` says about one kind of file or folder: the text for people and the object
// for --json.
#pragma once
#include <filesystem>
#include <string>

#include "core/json.h"

namespace slmtune::cli {

struct Inspection {
  std::string text;
  OrderedJson json;
};

Inspection inspect_safetensors(const std::filesystem::path& path);
Inspection inspect_gguf(const std::filesystem::path& path);
Inspection inspect_facts(const std::filesystem::path& path);  // configs/models/*.yaml
Inspection inspect_model(
    const std::filesystem::path& folder);  // config.json; weights and tokenizer when present
Inspection inspect_adapter(const std::filesystem::path& folder);     // adapter_config.json
Inspection inspect_tokenizer(const std::filesystem::path& folder);   // tokenizer.json
Inspection inspect_checkpoint(const std::filesystem::path& folder);  // state.json
Inspection inspect_snapshot(
    const std::filesystem::path& folder);  // manifest.json, then adapter or model

}  // namespace slmtune::cli
