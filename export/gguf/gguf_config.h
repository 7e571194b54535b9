// The config.json that the keys of a GGUF file stand for.
#pragma once
#include "export/gguf/gguf.h"
#include "models/model_config.h"

namespace slmtune::models {
struct Family;
}

namespace slmtune::exporting {

struct GgufConfig {
  models::ModelConfig config;
  const models::Family* family = nullptr;
  std::vector<std::string> vectors;  // tensors whose content the config holds now
};

// Keys that llama.cpp has a default for may be absent. F100 a key missing or wrong, F101 a model
// that no family is for, F013 no embedding, F05x what the family refuses.
GgufConfig read_gguf_config(const GgufFile& file);

}  // namespace slmtune::exporting
