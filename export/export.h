// Hand-over formats: a Hugging Face folder, a GGUF file with tokenizer and chat template, a
// Modelfile for Ollama.
//
//   ModelParts parts{config, lora::merged_tensors(*model, base), "models/tiny", "faq"};
//   GgufReport report = write_gguf_model(parts, tokenizer, "q8_0", "exports/0042/faq-q8_0.gguf");
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/safetensors.h"
#include "data/chat/chat_template.h"
#include "data/tokenizer/tokenizer.h"
#include "export/gguf/unverified_file.h"
#include "models/model_config.h"

namespace slmtune::exporting {

class ImportanceMatrix;  // importance/importance_matrix.h

// What is exported: final tensors (merged or plain) and the folder with config.json and tokenizer
// files. `fill` is called once, by a thread of its own for GGUF.
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

// How far a tensor of the file is from its source.
struct CheckedTensor {
  std::string name;           // in GGUF
  std::string_view encoding;  // "q6_k"
  double worst = 0.0;         // largest |stored − source| / largest |source|
  double rms = 0.0;           // √(Σ (stored − source)² / Σ source²); 0 where all of the source is
};

struct GgufReport {
  std::filesystem::path path;
  uint64_t bytes = 0;
  int64_t tensors = 0;
  double worst_error =
      0.0;  // largest |stored − source| / max|source| over tensors, from re-reading the file
  // GGUF names of matrices whose rows do not divide into the blocks of the encoding that the mixture
  // wants, by the one that they have instead.
  std::map<std::string, std::vector<std::string>> fallbacks;
  std::vector<CheckedTensor> checked;  // every tensor, in file order
};

// A GGUF file whose tensors were checked, and which nobody sees yet (gguf/unverified_file.h):
// publish() it, or let it go.
struct UnverifiedGguf {
  GgufReport report;
  std::unique_ptr<UnverifiedFile> file;
};

// F094 when a model of that config cannot be written as GGUF: a family without GGUF facts, or a
// network that llama.cpp would compute otherwise. For asking before hours of training;
// write_gguf_model asks too.
void check_gguf(const models::ModelConfig& config, const std::filesystem::path& folder);

// Writes a file whose every tensor was decoded again and compared within its encoding's bound, and
// which our own reader re-opened and found to hold the bytes that were written (F095 when not); only
// then is it at `to`, whose folder is made when absent. `encoding` is a word of
// mixtures/mixture.h. Of the tensors only a few million values are in memory at a time, beside what
// `fill` needs. R070 unknown encoding; F094 a family or tokenizer that GGUF cannot hold; F096 a
// value that the encoding cannot hold; F013 a tensor is missing; F111 the importance matrix is
// another model's; W002 disk full (checked before).
GgufReport write_gguf_model(const ModelParts& parts, const data::Tokenizer& tokenizer,
                            const std::string& encoding, const std::filesystem::path& to,
                            const ImportanceMatrix* importance = nullptr);

// The same up to publishing, for checks of the whole model on `file->path()`. `parts` is not needed
// any more once it returns.
UnverifiedGguf write_unverified_gguf(const ModelParts& parts, const data::Tokenizer& tokenizer,
                                     const std::string& encoding, const std::filesystem::path& to,
                                     const ImportanceMatrix* importance = nullptr);

// Size of that file, from names, shapes and dtypes alone: `fill` is not called.
uint64_t gguf_model_bytes(const ModelParts& parts, const data::Tokenizer& tokenizer,
                          const std::string& encoding);

// Text of an Ollama Modelfile for `gguf_name` (relative) with the template and its stop texts.
// Without `chat` Ollama takes the template of the GGUF.
std::string modelfile(const std::string& gguf_name, const data::ChatTemplate* chat,
                      int64_t context);

}  // namespace slmtune::exporting
