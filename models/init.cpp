#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "core/seed.h"
#include "models/causal_lm.h"
#include "models/families/family.h"
#include "models/internal/fill.h"

namespace slmtune::models {

std::unique_ptr<CausalLM> init_model(const ModelConfig& config, uint64_t seed,
                                     const LoadOptions& options) {
  const Family& family = *find_family(config.architecture);
  std::unique_ptr<CausalLM> model = family.build(config, options);
  fill_model(*model, options.quant, [&](const std::string& name, at::Tensor& target) {
    if (name.ends_with(".bias")) {
      target.zero_();
    } else if (name.ends_with("norm.weight")) {
      target.fill_(family.initial_norm);
    } else {
      // A stream per tensor: another order or an added tensor changes no other one.
      at::Generator random = at::detail::createCPUGenerator(derive_seed(seed, name));
      target.copy_(
          at::empty(target.sizes(), at::kFloat).normal_(0.0, config.initializer_range, random));
    }
  });
  return model;
}

}  // namespace slmtune::models
