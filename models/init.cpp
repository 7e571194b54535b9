#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "core/seed.h"
#include "models/causal_lm.h"
#include "models/families/family.h"
#include "models/internal/fill.h"

namespace slmtune::models {

std::unique_ptr<CausalLM> init_model(const ModelConfig& config, uint64_t seed,
                                     const LoadOptions& options) {
  std::unique_ptr<CausalLM> model = find_family(config.architecture)->build(config, options);
  fill_model(*model, options.quant, [&](const std::string& name, at::IntArrayRef shape) {
    if (name.ends_with(".bias")) return at::zeros(shape, at::kFloat);
    if (name.ends_with("norm.weight")) return at::ones(shape, at::kFloat);
    // A stream per tensor: another order or an added tensor changes no other one.
    at::Generator random = at::detail::createCPUGenerator(derive_seed(seed, name));
    return at::empty(shape, at::kFloat).normal_(0.0, config.initializer_range, random);
  });
  return model;
}

}  // namespace slmtune::models
