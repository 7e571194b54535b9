#include "lora/merge.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <map>

#include "core/error.h"
#include "models/stored_weights.h"

namespace slmtune::lora {
namespace {

at::ScalarType scalar_type(DType dtype) {
  switch (dtype) {
    case DType::kF16:
      return at::kHalf;
    case DType::kBF16:
      return at::kBFloat16;
    case DType::kF64:
      return at::kDouble;
    default:
      return at::kFloat;
  }
}

using WriteBytes = std::function<void(std::span<const std::byte>)>;

void write_tensor(const at::Tensor& tensor, const WriteBytes& write) {
  const at::Tensor bytes = tensor.to(at::kCPU).contiguous();
  write({static_cast<const std::byte*>(bytes.const_data_ptr()), bytes.nbytes()});
}

// Rounds once to `stored`; a finite value that becomes infinite would ruin the model silently.
at::Tensor rounded(const at::Tensor& values, DType stored, const std::string& name) {
  const at::Tensor out = values.to(scalar_type(stored));
  if (stored == DType::kF16 && (out.isinf() & values.isfinite()).any().item<bool>())
    throw FileFormatError("F070", "tensor '" + name + "'",
                          "a merged value is beyond the range of float16 (65504)",
                          "convert the base model to bfloat16 or float32 first");
  return out;
}

std::map<std::string, const models::Adapter*> adapters_by_weight(models::CausalLM& model) {
  std::map<std::string, const models::Adapter*> adapters;
  model.for_each_linear([&](const std::string& name, models::Linear& linear) {
    if (linear.adapter) adapters[name + ".weight"] = linear.adapter.get();
  });
  return adapters;
}

TensorSource merged_source(const std::string& name, const models::StoredWeight& weight,
                           const models::Adapter& adapter) {
  const auto fill = [name, weight, &adapter](const WriteBytes& write) {
    const at::NoGradGuard no_gradients;
    const at::Tensor base = models::stored_values(weight);
    const at::Tensor merged = adapter.merged(base.to(at::kFloat)).to(at::kCPU);
    write_tensor(rounded(merged, weight.dtype, name), write);
  };
  return {name, weight.dtype, weight.shape, fill};
}

TensorSource plain_source(const std::string& name, const models::StoredWeight& weight) {
  const auto fill = [weight](const WriteBytes& write) {
    if (weight.is_4bit())
      write_tensor(models::stored_values(weight), write);
    else
      write(weight.bytes->bytes);
  };
  return {name, weight.dtype, weight.shape, fill};
}

TensorSource dense_source(const std::string& name, const at::Tensor& tensor, DType stored) {
  const auto fill = [name, tensor, stored](const WriteBytes& write) {
    const at::NoGradGuard no_gradients;
    write_tensor(rounded(tensor, stored, name), write);
  };
  return {name, stored, tensor.sizes().vec(), fill};
}

}  // namespace

std::vector<TensorSource> merged_tensors(models::CausalLM& model, const TensorFolder& base) {
  auto adapters = adapters_by_weight(model);
  std::vector<TensorSource> sources;
  for (const auto& [name, weight] : models::stored_weights(base)) {
    if (const auto found = adapters.find(name); found != adapters.end()) {
      sources.push_back(merged_source(name, weight, *found->second));
      adapters.erase(found);
    } else {
      sources.push_back(plain_source(name, weight));
    }
  }
  SLMTUNE_ASSERT(adapters.empty(), "an adapted weight is not in the base folder");
  return sources;
}

std::vector<TensorSource> dense_tensors(models::CausalLM& model, DType stored) {
  std::vector<TensorSource> sources;
  model.for_each_parameter([&](const std::string& name, at::Tensor& tensor) {
    sources.push_back(dense_source(name, tensor, stored));
  });
  model.for_each_linear([&](const std::string& name, models::Linear& linear) {
    if (linear.weight->trainable() == nullptr)
      sources.push_back(dense_source(name + ".weight", linear.weight->dense(at::kFloat), stored));
  });
  return sources;
}

}  // namespace slmtune::lora
