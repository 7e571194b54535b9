// A model that is made from nothing: a facts file (models/facts.h) with the tokenizer and the chat
// template it uses.
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

// As models::read_facts; R006 a file without 'tokenizer', N001 no tokenizer there.
InitFacts read_init_facts(const std::filesystem::path& path);

// Writes config.json, generation_config.json and the tokenizer's files into `folder`: a model
// folder without weights.
void write_init_folder(const InitFacts& facts, const std::filesystem::path& folder);

// The tokenizer files of `from` that exist, copied into `to`.
void copy_tokenizer_files(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace slmtune::cli
