#include "lora/merge.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/mapped_file.h"
#include "core/stop.h"
#include "models/stored_weights.h"

namespace slmtune::lora {
namespace {

using WriteBytes = std::function<void(std::span<const std::byte>)>;

constexpr int64_t kPieceValues = 1 << 22;
constexpr size_t kPieceBytes = 16 << 20;

// Rounds once to `stored`; a finite value that becomes infinite would ruin the model silently.
at::Tensor rounded(const at::Tensor& values, DType stored, const std::string& name) {
  if (!values.isfinite().all().item<bool>())
    throw FileFormatError("F096", "tensor '" + name + "'",
                          "holds a value that is not a finite number",
                          "the weights or the adapter are damaged, or training diverged");
  const at::Tensor out = values.to(models::weight_type(stored).value());
  if (stored == DType::kF16 && out.isinf().any().item<bool>())
    throw FileFormatError("F070", "tensor '" + name + "'",
                          "a merged value is beyond the range of float16 (65504)",
                          "write bfloat16, which reaches further: slmtune merge --dtype bfloat16");
  return out;
}

// A piece at a time, so that there is no second copy of the tensor.
void write_rounded(const at::Tensor& values, DType stored, const std::string& name,
                   const WriteBytes& write) {
  const at::Tensor flat = values.to(at::kCPU).contiguous().view({-1});
  for (int64_t first = 0; first < flat.size(0); first += kPieceValues) {
    check_stop();
    const int64_t count = std::min(kPieceValues, flat.size(0) - first);
    const at::Tensor piece = rounded(flat.narrow(0, first, count), stored, name);
    write({static_cast<const std::byte*>(piece.const_data_ptr()), piece.nbytes()});
  }
}

// Bytes of a mapped file, whose memory is given back behind them.
void write_mapped(std::span<const std::byte> bytes, const WriteBytes& write) {
  for (size_t first = 0; first < bytes.size(); first += kPieceBytes) {
    check_stop();
    const auto piece = bytes.subspan(first, std::min(kPieceBytes, bytes.size() - first));
    write(piece);
    release_pages(piece);
  }
}

std::map<std::string, const models::Adapter*> adapters_by_weight(models::CausalLM& model) {
  std::map<std::string, const models::Adapter*> adapters;
  model.for_each_linear([&](const std::string& name, models::Linear& linear) {
    if (linear.adapter) adapters[name + ".weight"] = linear.adapter.get();
  });
  return adapters;
}

TensorSource merged_source(const std::string& name, const models::StoredWeight& weight,
                           DType stored, const models::Adapter& adapter) {
  const auto fill = [name, weight, stored, &adapter](const WriteBytes& write) {
    const at::NoGradGuard no_gradients;
    const at::Tensor merged = adapter.merged(models::stored_values(weight).to(at::kFloat));
    release_pages(weight.bytes->bytes);
    write_rounded(merged, stored, name, write);
  };
  return {name, stored, weight.shape, fill};
}

TensorSource plain_source(const std::string& name, const models::StoredWeight& weight,
                          DType stored) {
  const auto fill = [name, weight, stored](const WriteBytes& write) {
    if (weight.is_4bit() || stored != weight.dtype)
      write_rounded(models::stored_values(weight), stored, name, write);
    else
      write_mapped(weight.bytes->bytes, write);
  };
  return {name, stored, weight.shape, fill};
}

TensorSource dense_source(const std::string& name, const at::Tensor& tensor, DType stored) {
  const auto fill = [name, tensor, stored](const WriteBytes& write) {
    const at::NoGradGuard no_gradients;
    write_rounded(tensor, stored, name, write);
  };
  return {name, stored, tensor.sizes().vec(), fill};
}

}  // namespace

std::vector<TensorSource> merged_tensors(models::CausalLM& model, const TensorFolder& base,
                                         std::optional<DType> dtype) {
  auto adapters = adapters_by_weight(model);
  std::vector<TensorSource> sources;
  for (const auto& [name, weight] : models::stored_weights(base)) {
    const DType stored = dtype.value_or(weight.dtype);
    if (const auto found = adapters.find(name); found != adapters.end()) {
      sources.push_back(merged_source(name, weight, stored, *found->second));
      adapters.erase(found);
    } else {
      sources.push_back(plain_source(name, weight, stored));
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
