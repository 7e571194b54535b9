#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstdint>
#include <set>

#include "core/error.h"
#include "core/mapped_file.h"
#include "core/stop.h"
#include "core/text.h"
#include "models/causal_lm.h"
#include "models/families/family.h"
#include "models/internal/fill.h"
#include "models/stored_weights.h"

namespace slmtune::models {
namespace {

std::string shape_text(at::IntArrayRef shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

// "2 tensors are missing: 'a' [3, 4], 'b' [5]"; long lists are cut.
class Findings {
 public:
  void add(const std::string& text) {
    if (++count_ <= kShown) text_ += (text_.empty() ? "" : ", ") + text;
  }
  void report(std::vector<Diagnostic>& out, const std::string& code, const std::string& where,
              const std::string& verdict, const std::string& help) const {
    if (count_ == 0) return;
    const std::string tail =
        count_ > kShown ? " and " + std::to_string(count_ - kShown) + " more" : "";
    out.push_back({code,
                   where,
                   std::to_string(count_) + (count_ == 1 ? " tensor is " : " tensors are ") +
                       verdict + ": " + text_ + tail,
                   help,
                   {}});
  }

 private:
  static constexpr int kShown = 6;
  std::string text_;
  int count_ = 0;
};

bool is_weight_dtype(DType dtype) {
  return dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF32 ||
         dtype == DType::kF64;
}

// Buffers that old checkpoints carry and the model computes itself, and a head that is tied anyway.
bool is_ignorable(const std::string& name, const ModelConfig& config) {
  return name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".attn.bias") ||
         name.ends_with(".masked_bias") || (config.tied_embeddings && name == "lm_head.weight");
}

using StoredWeights = std::map<std::string, StoredWeight>;

void check_tensors(CausalLM& model, const StoredWeights& weights, const std::string& where) {
  Findings missing, misshapen, unexpected, wrong_dtype;
  std::set<std::string> expected;
  model.for_each_parameter([&](const std::string& name, at::Tensor& tensor) {
    expected.insert(name);
    const auto found = weights.find(name);
    if (found == weights.end()) {
      missing.add("'" + name + "' " + shape_text(tensor.sizes()));
      return;
    }
    const StoredWeight& weight = found->second;
    if (tensor.sizes() != at::IntArrayRef(weight.shape))
      misshapen.add("'" + name + "' is " + shape_text(weight.shape) + ", expected " +
                    shape_text(tensor.sizes()));
    if (!is_weight_dtype(weight.dtype))
      wrong_dtype.add("'" + name + "' " + std::string(dtype_name(weight.dtype)));
  });
  for (const auto& [name, weight] : weights)
    if (!expected.contains(name) && !is_ignorable(name, model.config()))
      unexpected.add("'" + name + "' " + shape_text(weight.shape));

  std::vector<Diagnostic> found;
  missing.report(found, "F013", where, "missing", "is the download complete?");
  misshapen.report(found, "F053", where, "of another shape than config.json says",
                   "weights and config.json must come from the same model");
  wrong_dtype.report(found, "F055", where, "of a type that weights cannot have",
                     "supported: F32, BF16, F16, F64");
  unexpected.report(found, "F054", where, "unknown to " + model.config().architecture,
                    "is config.json that of this model?");
  if (!found.empty()) throw FileFormatError(std::move(found));
}

at::ScalarType scalar_type(const TensorView& view) {
  switch (view.dtype) {
    case DType::kF16:
      return at::kHalf;
    case DType::kBF16:
      return at::kBFloat16;
    case DType::kF32:
      return at::kFloat;
    case DType::kF64:
      return at::kDouble;
    default:
      break;
  }
  throw FileFormatError(
      "F055", "tensor '" + view.name + "'",
      "its type " + std::string(dtype_name(view.dtype)) + " is not one that weights can have",
      "supported: F32, BF16, F16, F64");
}

// Converts a piece at a time and lets go of the pages it came from, so that the file's own memory
// never adds up beside the model's.
void copy_in_pieces(const TensorView& view, at::Tensor& target) {
  constexpr int64_t kPieceBytes = 4 << 20;
  const at::Tensor source = borrow_tensor(view).flatten();
  at::Tensor flat = target.view({-1});
  const auto element = static_cast<int64_t>(dtype_bytes(view.dtype));
  const int64_t step = kPieceBytes / element;
  for (int64_t first = 0; first < source.size(0); first += step) {
    check_stop();
    const int64_t count = std::min(step, source.size(0) - first);
    flat.narrow(0, first, count).copy_(source.narrow(0, first, count));
    release_pages(view.bytes.subspan(static_cast<size_t>(first * element),
                                     static_cast<size_t>(count * element)));
  }
}

// transformers would take the codes for values without the declaration.
void check_declared(const ModelConfig& config, const StoredWeights& weights,
                    const std::string& where) {
  if (config.stored_quant != "none") return;
  for (const auto& [name, weight] : weights)
    if (weight.is_4bit())
      throw FileFormatError("F058", where,
                            "'" + name +
                                "' is stored in 4 bits, but config.json has no "
                                "'quantization_config'",
                            "is config.json that of this model?");
}

// Whether going through the model's type first would change the values.
bool is_rounded(const StoredWeight& weight, at::ScalarType dtype) {
  const at::ScalarType stored = scalar_type(*weight.bytes);
  return stored != dtype && (c10::elementSize(stored) >= c10::elementSize(dtype));
}

// Fills a model from the weights of a folder.
class FolderValues {
 public:
  FolderValues(const StoredWeights& weights, const CausalLM& model, std::string quant)
      : weights_(weights), model_(model), quant_(std::move(quant)) {}

  void fill(const std::string& name, at::Tensor& target) const {
    const StoredWeight& weight = weights_.at(name);
    if (weight.is_4bit())
      target.copy_(stored_values(weight));
    else
      copy_in_pieces(*weight.bytes, target);
  }

  // Weights in 4 bits stay so; others are quantised out of the mapped file, without a dense copy.
  std::unique_ptr<kernels::FrozenWeight> take(const std::string& name) const {
    const StoredWeight& weight = weights_.at(name);
    check_stop();
    if (weight.is_4bit()) return read_4bit(weight);
    if (quant_ == "none" || !model_.device.is_cpu() || is_rounded(weight, model_.dtype))
      return nullptr;
    auto made = kernels::quant_format(quant_)(borrow_tensor(*weight.bytes));
    release_pages(weight.bytes->bytes);
    return made;
  }

 private:
  const StoredWeights& weights_;
  const CausalLM& model_;
  std::string quant_;
};

}  // namespace

at::Tensor borrow_tensor(const TensorView& view) {
  const at::ScalarType type = scalar_type(view);
  if (view.elements() == 0) return at::empty(view.shape, type);
  const auto address = reinterpret_cast<std::uintptr_t>(view.bytes.data());
  if (address % dtype_bytes(view.dtype) !=
      0) {  // a hostile or odd file; LibTorch needs aligned data
    at::Tensor copy = at::empty(view.shape, type);
    std::memcpy(copy.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
    return copy;
  }
  return at::from_blob(const_cast<std::byte*>(view.bytes.data()), view.shape, type);
}

void fill_model(CausalLM& model, const std::string& quant, const FillTensor& fill,
                const TakeWeight& take) {
  const at::NoGradGuard no_gradients;
  const auto options = at::TensorOptions().dtype(model.dtype).device(model.device);
  const auto filled = [&](const std::string& name, at::IntArrayRef shape) {
    check_stop();
    at::Tensor tensor = at::empty(shape, options);
    fill(name, tensor);
    return tensor;
  };
  const kernels::MakeFrozenWeight make = kernels::quant_format(quant);
  model.for_each_linear([&](const std::string& module, Linear& linear) {
    const std::string name = module + ".weight";
    const int64_t shape[] = {linear.weight->out_features(), linear.weight->in_features()};
    std::unique_ptr<kernels::FrozenWeight> taken = take ? take(name) : nullptr;
    linear.weight = taken ? std::move(taken) : make(filled(name, shape));
  });
  model.for_each_parameter([&](const std::string& name, at::Tensor& tensor) {
    if (tensor.is_meta()) tensor = filled(name, tensor.sizes());
  });
}

std::string quant_of(const ModelConfig& config, const std::string& wanted) {
  if (config.stored_quant == "none") return wanted;
  if (wanted == "none" || wanted == config.stored_quant) return "none";
  throw UserError("R051", "model.quant",
                  "'" + shown(wanted) + "' does not fit weights that are stored in 4 bits (" +
                      config.stored_quant + ")",
                  "leave model.quant out, or name the folder of the 16-bit model");
}

std::unique_ptr<CausalLM> load_model(const std::filesystem::path& folder,
                                     const LoadOptions& options) {
  if (!std::filesystem::is_directory(folder))
    throw UserError("N004", folder.string(), "there is no such model folder",
                    "give a Hugging Face folder with config.json and model.safetensors");
  const ModelConfig config = ModelConfig::load(folder);
  const std::string quant = quant_of(config, options.quant);
  const TensorFolder files = TensorFolder::open(folder);
  const StoredWeights weights = stored_weights(files);
  std::unique_ptr<CausalLM> model = find_family(config.architecture)->build(config, options);
  // before anything is allocated by the sizes that config.json claims
  check_tensors(*model, weights, folder.string());
  check_declared(config, weights, folder.string());
  const FolderValues values(weights, *model, quant);
  fill_model(
      *model, quant,
      [&](const std::string& name, at::Tensor& target) { values.fill(name, target); },
      [&](const std::string& name) { return values.take(name); });
  return model;
}

}  // namespace slmtune::models
