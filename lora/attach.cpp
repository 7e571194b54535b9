#include "lora/attach.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "core/error.h"
#include "core/seed.h"
#include "core/stop.h"
#include "core/text.h"
#include "lora/targets.h"
#include "lora/variants/registry.h"

namespace slmtune::lora {
namespace {

std::vector<std::string> modules_of_layer_0(models::CausalLM& model) {
  std::vector<std::string> names;
  model.for_each_linear([&](const std::string& name, models::Linear&) {
    if (name.find(".layers.0.") != std::string::npos) names.push_back(name);
  });
  return names;
}

AdapterShape shape_for(const models::CausalLM& model, const models::Linear& linear,
                       const LoraConfig& config, const std::string& module) {
  return {.in = linear.weight->in_features(),
          .out = linear.weight->out_features(),
          .rank = pattern_value(config.rank_pattern, module, config.rank),
          .alpha = pattern_value(config.alpha_pattern, module, config.alpha),
          .dropout = config.dropout,
          .dtype = model.dtype == at::kDouble ? at::kDouble : at::kFloat,
          .device = model.device};
}

}  // namespace

std::vector<std::string> attach(models::CausalLM& model, const LoraConfig& config, uint64_t seed) {
  Targets targets(config.targets, "lora.targets");
  model.for_each_parameter(
      [](const std::string&, at::Tensor& tensor) { tensor.set_requires_grad(false); });
  at::Generator random = at::detail::createCPUGenerator(derive_seed(seed, "adapter"));
  std::vector<std::string> modules;
  model.for_each_linear([&](const std::string& name, models::Linear& linear) {
    linear.adapter.reset();
    if (!targets.matches(name)) return;
    check_stop();  // singular vectors of a large model take a while
    linear.adapter =
        make_adapter(config, shape_for(model, linear, config, name), *linear.weight, random);
    modules.push_back(name);
  });
  if (const auto unused = targets.unused(); !unused.empty())
    throw UserError("R060", "lora.targets", quoted_list(unused) + " matches no linear layer",
                    "the layers of block 0 are " + quoted_list(modules_of_layer_0(model)));
  return modules;
}

void set_training(models::CausalLM& model, bool training) {
  model.for_each_linear([training](const std::string&, models::Linear& linear) {
    if (linear.adapter) linear.adapter->training = training;
  });
}

void use_adapters(models::CausalLM& model, bool use) {
  model.for_each_linear(
      [use](const std::string&, models::Linear& linear) { linear.use_adapter = use; });
}

}  // namespace slmtune::lora
