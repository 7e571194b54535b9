// Facts files (configs/models/*.yaml): what is published about a model, without its weights. The
// shape keys have the names of Hugging Face's config.json. `model.init` makes a fresh model of such
// a shape; plans and the README's table of models read the rest.
//
//   ModelFacts facts = read_facts("configs/models/qwen2.5-0.5b.yaml");
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/embedded_text.h"
#include "models/model_config.h"

namespace slmtune::models {

struct ModelFacts {
  std::string name;
  std::string repository;             // "Qwen/Qwen2.5-0.5B-Instruct"; "" for a model of our own
  std::string chat_template;          // name in data/chat's registry
  std::string licence;                // SPDX name, or the name of the publisher's own licence
  std::string commercial_use;         // yes | conditions | no; "" when the file does not say
  std::string conditions;             // of the licence, in a sentence
  std::string chinese;                // strong | fair | weak: how well the model writes Chinese
  std::string use;                    // what it is good for, in a sentence
  std::optional<int64_t> parameters;  // published count, a tied head counted once
  std::optional<std::filesystem::path> tokenizer;  // folder of a tokenizer that ships with us
  ModelConfig config;                              // config.json holds all shape keys
};

// N001, R001… mistakes of form (all at once), R012 a key that no family knows; F05x a shape that
// its family refuses.
ModelFacts read_facts(const std::filesystem::path& path);

// The files of configs/models, which are part of the program, by name.
std::span<const EmbeddedText> embedded_models();

// Facts of the model that `name` means: the name of its file ("qwen2.5-14b"), its repository, or a
// folder called as that ("models/Qwen2.5-14B-Instruct"). None when no file is of it.
std::optional<ModelFacts> find_facts(const std::string& name);

// Parameters of a model of this shape, a tied head counted once; nothing of their size is
// allocated.
int64_t count_parameters(const ModelConfig& config);

}  // namespace slmtune::models
