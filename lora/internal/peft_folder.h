// Both files of a PEFT folder, read and checked against a model; what loading an adapter and
// handing it on have in common.
#pragma once
#include <filesystem>
#include <set>
#include <string>

#include "core/safetensors.h"
#include "lora/internal/peft_config.h"
#include "models/causal_lm.h"

namespace slmtune::lora {

inline constexpr const char* kPeftTensors = "adapter_model.safetensors";
inline constexpr const char* kPeftPrefix = "base_model.model.";  // before every module's name

// Which modules may carry an adapter: the linear layers that slmtune trains, or the embedding and
// the head, too, as PEFT can have it.
enum class PeftModules { kLayers, kLayersAndVocabulary };

inline constexpr const char* kEmbedding = "model.embed_tokens";
inline constexpr const char* kHead = "lm_head";

struct PeftFolder {
  PeftConfig config;
  SafetensorsFile file;
  std::set<std::string> modules;  // that carry an adapter, each with all of its tensors
};

// Shapes are left to the caller. N001, N003, F015, F060 … F063 as load_peft() has them.
PeftFolder open_peft_folder(models::CausalLM& model, const std::filesystem::path& folder,
                            PeftModules allowed);

// F062 for a tensor of another shape than the model needs.
void check_peft_shape(const TensorView& view, const std::vector<int64_t>& expected,
                      const std::filesystem::path& file);

}  // namespace slmtune::lora
