// A facts file (configs/models/*.yaml): the shape of a model that is made from nothing, with the
// tokenizer and the chat template it uses. Shape keys have the names of Hugging Face's config.json.
#pragma once
#include <filesystem>
#include <string>

#include "models/model_config.h"

namespace slmtune::cli {

struct InitFacts {
  std::string name, licence, chat_template;
  std::filesystem::path tokenizer;  // folder with tokenizer.json
  models::ModelConfig config;       // config.json holds what will be written beside the weights
};

// R… mistakes of form, N001 no tokenizer there, F050… a shape that no family has.
InitFacts read_init_facts(const std::filesystem::path& path);

// Writes config.json, generation_config.json and the tokenizer's files into `folder`: a model
// folder without weights.
void write_init_folder(const InitFacts& facts, const std::filesystem::path& folder);

// The tokenizer files of `from` that exist, copied into `to`.
void copy_tokenizer_files(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace slmtune::cli
