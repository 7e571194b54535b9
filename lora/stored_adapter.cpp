#include "lora/stored_adapter.h"

#include <ATen/ATen.h>

#include <map>
#include <utility>

#include "lora/internal/peft_folder.h"
#include "lora/targets.h"
#include "lora/variants/registry.h"

namespace slmtune::lora {
namespace {

struct Sides {
  int64_t in = 0, out = 0;
};

std::map<std::string, Sides> sides_of_modules(models::CausalLM& model) {
  const models::ModelConfig& config = model.config();
  // The factors of an embedding are those of its transpose.
  std::map<std::string, Sides> sides = {{kEmbedding, {config.vocab_size, config.hidden_size}},
                                        {kHead, {config.hidden_size, config.vocab_size}}};
  model.for_each_linear([&](const std::string& name, models::Linear& linear) {
    sides[name] = {linear.weight->in_features(), linear.weight->out_features()};
  });
  return sides;
}

}  // namespace

bool StoredPair::is_embedding() const {
  return module == kEmbedding;
}

bool StoredPair::is_head() const {
  return module == kHead;
}

std::vector<float> float_values(const TensorView& factor) {
  const at::Tensor values = models::borrow_tensor(factor).to(at::kFloat).contiguous();
  const float* first = values.const_data_ptr<float>();
  return {first, first + values.numel()};
}

StoredAdapter read_stored_adapter(models::CausalLM& model, const std::filesystem::path& folder) {
  PeftFolder stored = open_peft_folder(model, folder, PeftModules::kLayersAndVocabulary);
  StoredAdapter adapter{stored.config.lora, {}, std::move(stored.file)};
  const LoraConfig& config = adapter.config;
  const VariantRow* variant = find_variant(config.variant);
  const std::map<std::string, Sides> sides = sides_of_modules(model);
  for (const std::string& module : stored.modules) {
    const int64_t rank = pattern_value(config.rank_pattern, module, config.rank);
    const double alpha = pattern_value(config.alpha_pattern, module, config.alpha);
    const bool is_embedding = module == kEmbedding;
    const auto view = [&](const char* layer_name, const char* embedding_name) {
      const std::string key = kPeftPrefix + module + (is_embedding ? embedding_name : layer_name);
      return adapter.file.tensors().at(key);
    };
    StoredPair pair{module, view(".lora_A.weight", ".lora_embedding_A"),
                    view(".lora_B.weight", ".lora_embedding_B"), variant->scale(alpha, rank)};
    check_peft_shape(pair.a, {rank, sides.at(module).in}, adapter.file.path());
    check_peft_shape(pair.b, {sides.at(module).out, rank}, adapter.file.path());
    adapter.pairs.push_back(std::move(pair));
  }
  return adapter;
}

}  // namespace slmtune::lora
