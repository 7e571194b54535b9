#include "lora/peft_files.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "core/atomic_file.h"
#include "lora/attach.h"
#include "lora/internal/peft_folder.h"
#include "lora/variants/registry.h"

namespace slmtune::lora {
namespace {

TensorSource float32_source(const std::string& name, const at::Tensor& tensor) {
  const auto fill = [tensor](const std::function<void(std::span<const std::byte>)>& write) {
    const at::Tensor values = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
    write({static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()});
  };
  return {name, DType::kF32, tensor.sizes().vec(), fill};
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
      sources.push_back(float32_source(kPeftPrefix + module + "." + name, tensor));
  });
  write_safetensors(folder / kPeftTensors, sources);
  write_file(folder / "adapter_config.json",
             peft_config_json(stored_config(config), modules, base_name).dump(2) + "\n");
}

LoraConfig load_peft(models::CausalLM& model, const std::filesystem::path& folder) {
  PeftFolder stored = open_peft_folder(model, folder, PeftModules::kLayers);
  LoraConfig config = stored.config.lora, exact = config;
  exact.targets.assign(stored.modules.begin(), stored.modules.end());
  attach(model, exact, /*seed=*/0);
  if (!stored.config.targets_are_complete) config.targets = exact.targets;
  const at::NoGradGuard no_gradients;
  model.for_each_linear([&](const std::string& module, models::Linear& linear) {
    if (!linear.adapter) return;
    for (const auto& [name, tensor] : linear.adapter->parameters()) {
      const TensorView& view = stored.file.tensors().at(kPeftPrefix + module + "." + name);
      check_peft_shape(view, tensor->sizes().vec(), stored.file.path());
      tensor->copy_(models::borrow_tensor(view));
    }
  });
  return config;
}

}  // namespace slmtune::lora
