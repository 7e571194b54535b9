#include "lora/internal/peft_folder.h"

#include <algorithm>

#include "core/error.h"
#include "core/json.h"
#include "core/shape.h"
#include "core/text.h"
#include "lora/targets.h"

namespace slmtune::lora {
namespace {

// Ends of the tensor names of one module.
std::vector<std::string> tensor_ends(const LoraConfig& config, const std::string& module) {
  if (module == kEmbedding) return {".lora_embedding_A", ".lora_embedding_B"};
  std::vector<std::string> ends = {".lora_A.weight", ".lora_B.weight"};
  if (config.variant == "dora") ends.emplace_back(".lora_magnitude_vector");
  return ends;
}

// "base_model.model.<module>.lora_A.weight" -> "<module>"; empty for any other key.
std::string module_of(const std::string& key, const LoraConfig& config, PeftModules allowed) {
  if (!key.starts_with(kPeftPrefix)) return {};
  const std::string name = key.substr(std::string(kPeftPrefix).size());
  if (allowed == PeftModules::kLayersAndVocabulary)
    for (const std::string& end : tensor_ends(config, kEmbedding))
      if (name == kEmbedding + end) return kEmbedding;
  for (const std::string& end : tensor_ends(config, ""))
    if (name.ends_with(end) && name.size() > end.size())
      return name.substr(0, name.size() - end.size());
  return {};
}

// PEFT writes the base's own weight along where it adapts embedding or head.
bool is_base_copy(const std::string& key, PeftModules allowed) {
  if (allowed != PeftModules::kLayersAndVocabulary) return false;
  const std::string prefix = kPeftPrefix, end = ".base_layer.weight";
  return key == prefix + kEmbedding + end || key == prefix + kHead + end;
}

std::set<std::string> adaptable_modules(models::CausalLM& model, PeftModules allowed) {
  std::set<std::string> names;
  model.for_each_linear([&](const std::string& name, models::Linear&) { names.insert(name); });
  if (allowed == PeftModules::kLayersAndVocabulary) names.insert({kEmbedding, kHead});
  return names;
}

// Modules of the file, all of which the model must have.
std::set<std::string> modules_in_file(models::CausalLM& model, const LoraConfig& config,
                                      const SafetensorsFile& file, PeftModules allowed) {
  const std::set<std::string> known = adaptable_modules(model, allowed);
  std::set<std::string> modules;
  for (const auto& [key, view] : file.tensors()) {
    if (is_base_copy(key, allowed)) {
      check_peft_shape(view, {model.config().vocab_size, model.config().hidden_size}, file.path());
      continue;
    }
    const std::string module = module_of(key, config, allowed);
    if (module.empty())
      throw FileFormatError("F061", file.path().string(),
                            "tensor '" + shown(key) + "' is not part of a LoRA adapter",
                            "supported are pairs of lora_A.weight and lora_B.weight, and "
                            "lora_magnitude_vector with 'use_dora'");
    if (!known.contains(module))
      throw FileFormatError("F062", file.path().string(),
                            "the adapter has '" + shown(module) +
                                "', which is not a linear layer of this " +
                                model.config().architecture + " with " +
                                std::to_string(model.config().layers) + " layers",
                            "is this the right base model?");
    modules.insert(module);
  }
  return modules;
}

void check_complete(models::CausalLM& model, const PeftConfig& config,
                    const std::set<std::string>& in_file, const SafetensorsFile& file) {
  std::vector<std::string> missing, extra;
  for (const std::string& module : in_file)
    for (const std::string& end : tensor_ends(config.lora, module))
      if (!file.tensors().contains(kPeftPrefix + module + end)) missing.push_back(module + end);
  if (config.targets_are_complete) {
    Targets targets(config.lora.targets, "target_modules");
    for (const std::string& module : adaptable_modules(model, PeftModules::kLayers)) {
      const bool wanted = targets.matches(module);
      const std::string first = module + tensor_ends(config.lora, module).front();
      if (wanted && !in_file.contains(module)) missing.push_back(first);
      if (!wanted && in_file.contains(module)) extra.push_back(first);
    }
  }
  const auto report = [&](std::vector<std::string> names, const std::string& verdict,
                          const std::string& help) {
    if (names.empty()) return;
    const size_t count = names.size();
    names.resize(std::min<size_t>(count, 6));
    throw FileFormatError("F063", file.path().string(),
                          std::to_string(count) + (count == 1 ? " tensor is " : " tensors are ") +
                              verdict + ": " + quoted_list(names) + (count > 6 ? ", …" : ""),
                          help);
  };
  report(missing, "missing", "is the adapter complete, and is this the right base model?");
  report(extra, "not named by 'target_modules' of adapter_config.json",
         "both files must come from the same adapter");
}

void require_file(const std::filesystem::path& file, const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder))
    throw UserError("N001", folder.string(), "there is no such adapter folder");
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (!std::filesystem::exists(folder / kPeftTensors) && entry.path().stem() == "adapter_model" &&
        has_pickle_name(entry.path()))
      refuse_pickle(entry.path(), "load the adapter in PEFT and save it with save_pretrained");
  if (!std::filesystem::exists(file))
    throw UserError("N003", file.string(), "the adapter folder has no such file",
                    "an adapter folder holds adapter_config.json and adapter_model.safetensors");
}

}  // namespace

PeftFolder open_peft_folder(models::CausalLM& model, const std::filesystem::path& folder,
                            PeftModules allowed) {
  const std::filesystem::path config_path = folder / "adapter_config.json";
  const std::filesystem::path tensors_path = folder / kPeftTensors;
  require_file(config_path, folder);
  require_file(tensors_path, folder);
  PeftFolder found{parse_peft_config(read_json(config_path), config_path.string()),
                   SafetensorsFile::open(tensors_path),
                   {}};
  found.modules = modules_in_file(model, found.config.lora, found.file, allowed);
  if (found.modules.empty())
    throw FileFormatError("F063", tensors_path.string(), "the file holds no adapter tensors");
  check_complete(model, found.config, found.modules, found.file);
  return found;
}

void check_peft_shape(const TensorView& view, const std::vector<int64_t>& expected,
                      const std::filesystem::path& file) {
  if (view.shape == expected) return;
  throw FileFormatError("F062", file.string(),
                        "'" + shown(view.name) + "' is " + shape_text(view.shape) +
                            ", this model needs " + shape_text(expected),
                        "is this the right base model?");
}

}  // namespace slmtune::lora
