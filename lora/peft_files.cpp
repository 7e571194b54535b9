#include "lora/peft_files.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <set>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json.h"
#include "core/safetensors.h"
#include "core/text.h"
#include "lora/attach.h"
#include "lora/internal/peft_config.h"
#include "lora/targets.h"
#include "lora/variants/registry.h"

namespace slmtune::lora {
namespace {

constexpr const char* kTensorsName = "adapter_model.safetensors";
constexpr const char* kPrefix = "base_model.model.";

// Ends of the tensor names of one module.
std::vector<std::string> suffixes(const LoraConfig& config) {
  std::vector<std::string> names = {".lora_A.weight", ".lora_B.weight"};
  if (config.variant == "dora") names.emplace_back(".lora_magnitude_vector");
  return names;
}

TensorSource float32_source(const std::string& name, const at::Tensor& tensor) {
  const auto fill = [tensor](const std::function<void(std::span<const std::byte>)>& write) {
    const at::Tensor values = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
    write({static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()});
  };
  return {name, DType::kF32, tensor.sizes().vec(), fill};
}

// "base_model.model.<module>.lora_A.weight" -> "<module>"; empty for any other key.
std::string module_of(const std::string& key, const LoraConfig& config) {
  if (!key.starts_with(kPrefix)) return {};
  for (const std::string& suffix : suffixes(config))
    if (key.ends_with(suffix) && key.size() > std::string(kPrefix).size() + suffix.size())
      return key.substr(std::string(kPrefix).size(),
                        key.size() - std::string(kPrefix).size() - suffix.size());
  return {};
}

std::set<std::string> linear_names(models::CausalLM& model) {
  std::set<std::string> names;
  model.for_each_linear([&](const std::string& name, models::Linear&) { names.insert(name); });
  return names;
}

// Modules of the file, all of which the model must have.
std::set<std::string> modules_in_file(models::CausalLM& model, const LoraConfig& config,
                                      const SafetensorsFile& file) {
  const std::set<std::string> known = linear_names(model);
  std::set<std::string> modules;
  for (const auto& [key, view] : file.tensors()) {
    const std::string module = module_of(key, config);
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
  const std::vector<std::string> ends = suffixes(config.lora);
  for (const std::string& module : in_file)
    for (const std::string& suffix : ends)
      if (!file.tensors().contains(kPrefix + module + suffix)) missing.push_back(module + suffix);
  if (config.targets_are_complete) {
    Targets targets(config.lora.targets, "target_modules");
    for (const std::string& module : linear_names(model)) {
      const bool wanted = targets.matches(module);
      if (wanted && !in_file.contains(module)) missing.push_back(module + ends[0]);
      if (!wanted && in_file.contains(module)) extra.push_back(module + ends[0]);
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

void fill_tensor(const std::string& key, at::Tensor& target, const SafetensorsFile& file) {
  const at::NoGradGuard no_gradients;
  const at::Tensor source = models::borrow_tensor(file.tensors().at(key));
  if (source.sizes() != target.sizes()) {
    const auto text = [](at::IntArrayRef shape) {
      std::string joined;
      for (const int64_t size : shape)
        joined += (joined.empty() ? "" : ", ") + std::to_string(size);
      return "[" + joined + "]";
    };
    throw FileFormatError("F062", file.path().string(),
                          "'" + shown(key) + "' is " + text(source.sizes()) +
                              ", this model needs " + text(target.sizes()),
                          "is this the right base model?");
  }
  target.copy_(source);
}

void require_file(const std::filesystem::path& file, const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder))
    throw UserError("N001", folder.string(), "there is no such adapter folder");
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (!std::filesystem::exists(folder / kTensorsName) && entry.path().stem() == "adapter_model" &&
        has_pickle_name(entry.path()))
      refuse_pickle(entry.path(), "load the adapter in PEFT and save it with save_pretrained");
  if (!std::filesystem::exists(file))
    throw UserError("N003", file.string(), "the adapter folder has no such file",
                    "an adapter folder holds adapter_config.json and adapter_model.safetensors");
}

// PiSSA is kept as LoRA of twice the rank and the same scale.
LoraConfig stored_config(LoraConfig config) {
  if (config.init != "pissa") return config;
  const double more = find_variant(config.variant)->use_rslora ? std::sqrt(2.0) : 2.0;
  config.init = "default";
  config.rank *= 2;
  config.alpha *= more;
  for (auto& [pattern, rank] : config.rank_pattern) rank *= 2;
  for (auto& [pattern, alpha] : config.alpha_pattern) alpha *= more;
  return config;
}

}  // namespace

void save_peft(models::CausalLM& model, const LoraConfig& config, const std::string& base_name,
               const std::filesystem::path& folder) {
  std::vector<TensorSource> sources;
  std::vector<std::string> modules;
  model.for_each_linear([&](const std::string& module, models::Linear& linear) {
    if (!linear.adapter) return;
    modules.push_back(module);
    for (const auto& [name, tensor] : linear.adapter->stored())
      sources.push_back(float32_source(kPrefix + module + "." + name, tensor));
  });
  write_safetensors(folder / kTensorsName, sources);
  write_file(folder / "adapter_config.json",
             peft_config_json(stored_config(config), modules, base_name).dump(2) + "\n");
}

LoraConfig load_peft(models::CausalLM& model, const std::filesystem::path& folder) {
  const std::filesystem::path config_path = folder / "adapter_config.json";
  const std::filesystem::path tensors_path = folder / kTensorsName;
  require_file(config_path, folder);
  require_file(tensors_path, folder);
  PeftConfig config = parse_peft_config(read_json(config_path), config_path.string());
  const SafetensorsFile file = SafetensorsFile::open(tensors_path);
  const std::set<std::string> modules = modules_in_file(model, config.lora, file);
  if (modules.empty())
    throw FileFormatError("F063", tensors_path.string(), "the file holds no adapter tensors");
  check_complete(model, config, modules, file);
  LoraConfig exact = config.lora;
  exact.targets.assign(modules.begin(), modules.end());
  attach(model, exact, /*seed=*/0);
  if (!config.targets_are_complete) config.lora.targets = exact.targets;
  model.for_each_linear([&](const std::string& module, models::Linear& linear) {
    if (!linear.adapter) return;
    for (const auto& [name, tensor] : linear.adapter->parameters())
      fill_tensor(kPrefix + module + "." + name, *tensor, file);
  });
  return config.lora;
}

}  // namespace slmtune::lora
