// Hand-over formats: a Hugging Face folder, a GGUF file with tokenizer and chat template, a
// Modelfile for Ollama.
//
//   ModelParts parts{config, lora::merged_tensors(*model, base), "models/tiny", "faq"};
//   GgufReport report = write_gguf_model(parts, tokenizer, "q8_0", "exports/0042/faq-q8_0.gguf");
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/safetensors.h"
#include "data/chat/chat_template.h"
#include "data/tokenizer/tokenizer.h"
#include "models/model_config.h"

namespace slmtune::exporting {

// What is exported: final tensors (merged or plain) and the folder with config.json and tokenizer
// files. `fill` of each tensor is called twice for GGUF: once to write it, once to check the
// written file.
struct ModelParts {
  models::ModelConfig config;
  std::vector<TensorSource> tensors;  // Hugging Face names, stored dtypes
  std::filesystem::path
      folder;        // config.json, generation_config.json, tokenizer files are taken from here
  std::string name;  // general.name
};

// Folder that transformers loads: weights in shards of at most `shard_bytes` with an index when
// there are several, config, tokenizer files. Built beside `to` and renamed: `to` is complete or
// absent. W004 when `to` exists and is not empty; W002 disk full (checked before).
void write_hf_folder(const ModelParts& parts, const std::filesystem::path& to,
                     uint64_t shard_bytes = 5ull << 30);

// Bytes of that folder, without its tokenizer files counted to the byte.
uint64_t hf_folder_bytes(const ModelParts& parts);

struct GgufReport {
  std::filesystem::path path;
  uint64_t bytes = 0;
  int64_t tensors = 0;
  double worst_error =
      0.0;  // largest |stored − source| / max|source| over tensors, from re-reading the file
  std::vector<std::string>
      stored_as_f16;  // matrices whose rows do not divide into the encoding's blocks
};

// F094 when a model of that config cannot be written as GGUF: a family without GGUF facts, sliding
// windows. For asking before hours of training; write_gguf_model asks too.
void check_gguf(const models::ModelConfig& config, const std::filesystem::path& folder);

// Writes, re-opens with our own reader and compares every tensor within the encoding's bound (F095
// when it differs); only then is the file at `to`, whose folder is made when absent. Holds one
// source tensor in memory at a time. R070 unknown encoding; F094 a family or tokenizer that GGUF
// cannot hold; F096 a value that the encoding cannot hold; F013 a tensor is missing; W002 disk full
// (checked before).
GgufReport write_gguf_model(const ModelParts& parts, const data::Tokenizer& tokenizer,
                            const std::string& encoding, const std::filesystem::path& to);

// Size of that file, from names, shapes and dtypes alone: `fill` is not called.
uint64_t gguf_model_bytes(const ModelParts& parts, const data::Tokenizer& tokenizer,
                          const std::string& encoding);

// Text of an Ollama Modelfile for `gguf_name` (relative) with the template and its stop texts.
// Without `chat` Ollama takes the template of the GGUF.
std::string modelfile(const std::string& gguf_name, const data::ChatTemplate* chat,
                      int64_t context);

}  // namespace slmtune::exporting
