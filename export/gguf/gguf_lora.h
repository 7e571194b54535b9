// A LoRA adapter as a GGUF file, which llama.cpp puts on a GGUF file of the base model with --lora,
// whatever encoding that one has (formats.md §8; llama.cpp, src/llama-adapter.cpp).
//
//   auto model = models::load_skeleton("models/Qwen2.5-0.5B");
//   lora::StoredAdapter adapter = lora::read_stored_adapter(*model, "runs/faq/snapshots/0042");
//   GgufLoraReport report = write_gguf_lora(model->config(), adapter, "faq", "out/faq-LoRA.gguf");
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "lora/stored_adapter.h"
#include "models/model_config.h"

namespace slmtune::exporting {

struct GgufLoraReport {
  std::filesystem::path path;
  uint64_t bytes = 0;
  int64_t tensors = 0;  // two of each adapted module
  float alpha = 0.0f;   // a pair of rank r adds alpha / r · B·A
};

// F097 when no adapter of that variant on such a base can be written so: DoRA; F094 when its family
// has no GGUF names. For asking before hours of training; write_gguf_lora asks too.
void check_gguf_lora(const models::ModelConfig& base, const std::string& variant,
                     const std::string& where);

// Float32 throughout. Reads the file back and compares every byte and key (F095); only then is it
// at `to`, whose folder is made when absent. Holds one tensor in memory at a time. F097 the
// embedding or head of a tied model; F096 a value that is not finite; W002 disk full (checked
// before), W004 `to` is a folder.
GgufLoraReport write_gguf_lora(const models::ModelConfig& base, const lora::StoredAdapter& adapter,
                               const std::string& name, const std::filesystem::path& to);

}  // namespace slmtune::exporting
