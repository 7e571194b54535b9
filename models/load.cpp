#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstdint>
#include <set>

#include "core/error.h"
#include "core/mapped_file.h"
#include "core/shape.h"
#include "core/stop.h"
#include "core/text.h"
#include "kernels/staging.h"
#include "models/buffers.h"
#include "models/causal_lm.h"
#include "models/families/family.h"
#include "models/internal/fill.h"
#include "models/stored_weights.h"

namespace slmtune::models {
namespace {

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

// What the model computes itself, and a head that is tied anyway.
bool is_ignorable(const std::string& name, const ModelConfig& config) {
  return is_buffer(name) || (config.tied_embeddings && name == "lm_head.weight");
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
    if (!weight_type(weight.dtype))
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
  if (const auto type = weight_type(view.dtype)) return *type;
  throw FileFormatError(
      "F055", "tensor '" + view.name + "'",
      "its type " + std::string(dtype_name(view.dtype)) + " is not one that weights can have",
      "supported: F32, BF16, F16, F64");
}

// Converts a piece at a time and lets go of the pages it came from, so that the file's own memory
// never adds up beside the model's.
void copy_in_pieces(const TensorView& view, at::Tensor& target, kernels::Staging& staging) {
  constexpr int64_t kPieceBytes = 4 << 20;
  const at::Tensor source = borrow_tensor(view).flatten();
  at::Tensor flat = target.view({-1});
  const auto element = static_cast<int64_t>(dtype_bytes(view.dtype));
  const int64_t step = kPieceBytes / element;
  for (int64_t first = 0; first < source.size(0); first += step) {
    check_stop();
    const int64_t count = std::min(step, source.size(0) - first);
    staging.copy(source.narrow(0, first, count), flat.narrow(0, first, count));
    release_pages(view.bytes.subspan(static_cast<size_t>(first * element),
                                     static_cast<size_t>(count * element)));
  }
}

void copy_source(const TensorSource& source, at::Tensor& target, kernels::Staging& staging) {
  const at::ScalarType type = scalar_type({source.name, source.dtype, {}, {}});
  const at::Tensor flat = target.view({-1});
  int64_t first = 0;
  source.fill([&](std::span<const std::byte> bytes) {
    const auto count = static_cast<int64_t>(bytes.size() / dtype_bytes(source.dtype));
    const at::Tensor piece = at::from_blob(const_cast<std::byte*>(bytes.data()), {count}, type);
    staging.copy(piece, flat.narrow(0, first, count));
    first += count;
  });
  SLMTUNE_ASSERT(first == flat.size(0), "tensor source gave another size");
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

void require_model_folder(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder))
    throw UserError("N004", folder.string(), "there is no such model folder",
                    "give a Hugging Face folder with config.json and model.safetensors");
}

std::unique_ptr<CausalLM> checked_skeleton(const ModelConfig& config, const LoadOptions& options,
                                           const StoredWeights& weights,
                                           const std::filesystem::path& folder) {
  std::unique_ptr<CausalLM> model = find_family(config.architecture)->build(config, options);
  check_tensors(*model, weights, folder.string());
  check_declared(config, weights, folder.string());
  return model;
}

// Whether going through the model's type first would change the values.
bool is_rounded(const StoredWeight& weight, at::ScalarType dtype) {
  const at::ScalarType stored = scalar_type(*weight.bytes);
  return stored != dtype && (c10::elementSize(stored) >= c10::elementSize(dtype));
}

// Beside linears of fewer bits nothing is gained by a wide copy of 16-bit values: on the CPU
// embedding and head stay as their file has them, which loses nothing, and are widened where they
// are used. Weights in float32 stay so; rounding them would change the base.
at::ScalarType narrowest_table(const StoredWeight& weight, const CausalLM& model) {
  const bool is_half = weight.dtype == DType::kBF16 || weight.dtype == DType::kF16;
  const bool is_wide = model.dtype == at::kFloat || model.dtype == at::kDouble;
  if (!model.device.is_cpu() || weight.is_4bit() || !is_half || !is_wide) return model.dtype;
  return weight.dtype == DType::kBF16 ? at::kBFloat16 : at::kHalf;
}

// Fills a model from the weights of a folder.
class FolderValues {
 public:
  FolderValues(const StoredWeights& weights, const CausalLM& model, std::string quant)
      : weights_(weights),
        model_(model),
        quant_(std::move(quant)),
        keeps_tables_(quant_ != "none" || model.config().stored_quant != "none"),
        staging_(model.device) {}

  at::ScalarType table_type(const std::string& name) const {
    return keeps_tables_ ? narrowest_table(weights_.at(name), model_) : model_.dtype;
  }

  void fill(const std::string& name, at::Tensor& target) {
    const StoredWeight& weight = weights_.at(name);
    if (weight.is_4bit())
      target.copy_(stored_values(weight));
    else
      copy_in_pieces(*weight.bytes, target, staging_);
  }

  // Weights in 4 bits stay so; others are quantised out of the mapped file, without a dense copy.
  std::unique_ptr<kernels::FrozenWeight> take(const std::string& name) const {
    const StoredWeight& weight = weights_.at(name);
    check_stop();
    if (weight.is_4bit()) {
      auto read = read_4bit(weight);
      if (!model_.device.is_cpu()) read->to(model_.device);
      return read;
    }
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
  bool keeps_tables_;
  kernels::Staging staging_;
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
                const TakeWeight& take, const TableType& table_type) {
  const at::NoGradGuard no_gradients;
  const auto options = at::TensorOptions().device(model.device);
  const auto filled = [&](const std::string& name, at::IntArrayRef shape, at::ScalarType type) {
    check_stop();
    at::Tensor tensor = at::empty(shape, options.dtype(type));
    fill(name, tensor);
    return tensor;
  };
  const kernels::MakeFrozenWeight make = kernels::quant_format(quant);
  model.for_each_linear([&](const std::string& module, Linear& linear) {
    const std::string name = module + ".weight";
    const int64_t shape[] = {linear.weight->out_features(), linear.weight->in_features()};
    std::unique_ptr<kernels::FrozenWeight> taken = take ? take(name) : nullptr;
    linear.weight = taken ? std::move(taken) : make(filled(name, shape, model.dtype));
  });
  model.for_each_parameter([&](const std::string& name, at::Tensor& tensor) {
    if (!tensor.is_meta()) return;
    // The linears are there by now: what is left with two dimensions are embedding and head.
    const bool is_table = table_type && tensor.dim() == 2;
    tensor = filled(name, tensor.sizes(), is_table ? table_type(name) : model.dtype);
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
  require_model_folder(folder);
  const ModelConfig config = ModelConfig::load(folder);
  const std::string quant = quant_of(config, options.quant);
  const TensorFolder files = TensorFolder::open(folder);
  const StoredWeights weights = stored_weights(files);
  // checked before anything is allocated by the sizes that config.json claims
  std::unique_ptr<CausalLM> model = checked_skeleton(config, options, weights, folder);
  FolderValues values(weights, *model, quant);
  fill_model(
      *model, quant,
      [&](const std::string& name, at::Tensor& target) { values.fill(name, target); },
      [&](const std::string& name) { return values.take(name); },
      [&](const std::string& name) { return values.table_type(name); });
  return model;
}

std::unique_ptr<CausalLM> load_skeleton(const std::filesystem::path& folder) {
  require_model_folder(folder);
  const TensorFolder files = TensorFolder::open(folder);
  return checked_skeleton(ModelConfig::load(folder), {}, stored_weights(files), folder);
}

std::unique_ptr<CausalLM> load_model(const ModelConfig& config,
                                     const std::vector<TensorSource>& tensors,
                                     const std::string& where, const LoadOptions& options) {
  StoredWeights weights;
  std::map<std::string, const TensorSource*> sources;
  for (const TensorSource& source : tensors) {
    weights[source.name] = {source.dtype, source.shape};
    sources[source.name] = &source;
  }
  std::unique_ptr<CausalLM> model = find_family(config.architecture)->build(config, options);
  check_tensors(*model, weights, where);
  kernels::Staging staging(model->device);
  fill_model(*model, quant_of(config, options.quant),
             [&](const std::string& name, at::Tensor& target) {
               copy_source(*sources.at(name), target, staging);
             });
  return model;
}

}  // namespace slmtune::models
