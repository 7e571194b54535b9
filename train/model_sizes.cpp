#include "train/model_sizes.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <memory>
#include <numeric>

#include "lora/targets.h"
#include "models/causal_lm.h"
#include "models/families/family.h"

namespace slmtune::train {
namespace {

std::unique_ptr<models::CausalLM> skeleton_of(const models::ModelConfig& config) {
  return models::find_family(config.architecture)->build(config, {});
}

}  // namespace

int64_t ModelSizes::linear_values() const {
  int64_t sum = 0;
  for (const LinearSize& linear : linears) sum += linear.values();
  return sum;
}

int64_t ModelSizes::largest_linear() const {
  int64_t largest = 0;
  for (const LinearSize& linear : linears) largest = std::max(largest, linear.values());
  return largest;
}

ModelSizes sizes_of(const models::ModelConfig& config) {
  ModelSizes sizes{.config = config,
                   .hidden = config.hidden_size,
                   .intermediate = config.intermediate_size,
                   .vocabulary = config.vocab_size,
                   .heads = config.heads,
                   .queries = config.heads * config.head_dim,
                   .keys = config.kv_heads * config.head_dim,
                   .windows = config.windows,
                   .tied_head = config.tied_embeddings};
  const auto skeleton = skeleton_of(config);
  skeleton->for_each_linear([&](const std::string& name, models::Linear& linear) {
    sizes.linears.push_back({name, linear.weight->in_features(), linear.weight->out_features()});
  });
  skeleton->for_each_parameter([&](const std::string&, at::Tensor& tensor) {
    if (tensor.dim() == 1) sizes.vectors += tensor.numel();
  });
  sizes.norms_after = models::find_family(config.architecture)->has_output_norms;
  return sizes;
}

int64_t TrainedSizes::values() const {
  return std::accumulate(tensors.begin(), tensors.end(), int64_t{0});
}

TrainedSizes lora_sizes(const ModelSizes& sizes, const lora::LoraConfig& config) {
  TrainedSizes trained;
  lora::Targets targets(config.targets, "lora.targets");
  const bool doubles = config.init == "pissa";
  for (const LinearSize& linear : sizes.linears) {
    if (!targets.matches(linear.name)) continue;
    trained.ranks += (doubles ? 2 : 1) * config.rank;
    if (doubles) trained.frozen += config.rank * (linear.in + linear.out);
    trained.inputs += linear.in;
    trained.outputs += linear.out;
    trained.tensors.push_back(config.rank * linear.in);
    trained.tensors.push_back(config.rank * linear.out);
    if (config.variant == "dora") trained.tensors.push_back(linear.out);
  }
  return trained;
}

TrainedSizes full_sizes(const models::ModelConfig& config) {
  TrainedSizes trained;
  skeleton_of(config)->for_each_parameter(
      [&](const std::string&, at::Tensor& tensor) { trained.tensors.push_back(tensor.numel()); });
  return trained;
}

}  // namespace slmtune::train
