// A decoder language model. Families compose it from blocks/; parameter names are the Hugging Face
// names.
//
//   std::unique_ptr<CausalLM> model = load_model("models/Qwen2.5-0.5B", {});
//   at::Tensor h = model->hidden(ids, layout);          // [T, D]
//   at::Tensor z = model->logits(h.index_select(0, rows));  // [N, V] float32
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/safetensors.h"
#include "kernels/attention/row_starts.h"
#include "kernels/matmul/matmul.h"
#include "models/linear.h"
#include "models/model_config.h"

namespace slmtune::models {

// Packed rows: T tokens in a line; row i is starts[i] .. starts[i+1]-1 and sees only itself
// (causal).
struct Layout {
  at::Tensor positions;         // [T] int64
  std::vector<int64_t> starts;  // rows + 1 entries, 0 … T
  // What kernels on a GPU want to know of `starts` (kernels/attention/row_starts.h). Made once per
  // micro-batch; where they are missing, each forward pass makes them.
  at::Tensor offsets = {};
  int64_t longest = 0;
  int64_t first_position = 0;  // of the one row that continues a cache

  static Layout single(int64_t tokens, int64_t first_position = 0);
  kernels::RowStarts rows() const;
  Layout on(at::Device device) const;  // with offsets and longest; positions stay where they are
};

// Keys and values of one sequence, grown by doubling. [kv_heads, capacity, head_dim] per layer.
struct KvCache {
  std::vector<at::Tensor> keys, values;
  int64_t length = 0;
  at::Tensor
      ids;  // [length], kept where a longer text turns earlier keys by other angles (longrope)
};

// What logits() is made of: z = hidden · weightᵀ, then soft_cap · tanh(z / soft_cap) where
// soft_cap > 0.
struct Head {
  // [V, D]; the embedding where the two are tied. Of the model's dtype or, frozen, a narrower one:
  // products by kernels/matmul/table.h.
  at::Tensor weight;
  double soft_cap = 0.0;
};

// Changes the embedded tokens [T, D] before the layers see them.
using ChangeEmbedding = std::function<at::Tensor(const at::Tensor& embedded, const Layout& layout)>;
using VisitLinear = std::function<void(const std::string& name, Linear& linear)>;
using VisitTensor = std::function<void(const std::string& name, at::Tensor& tensor)>;

class CausalLM {
 public:
  virtual ~CausalLM() = default;
  // ids [T] int64 -> [T, D] after the final norm. With `cache` (one row only; inference) the tokens
  // continue it.
  virtual at::Tensor hidden(const at::Tensor& ids, const Layout& layout,
                            KvCache* cache = nullptr) = 0;
  // [N, D] -> [N, V] in float32 (in float64 for a float64 model).
  virtual at::Tensor logits(const at::Tensor& hidden) = 0;
  // Leaves nothing of a pass open on the device's other streams, which a recording has to end with.
  virtual void settle() {}
  // For a loss that makes logits in chunks.
  virtual Head head() const = 0;
  // Every linear that can take an adapter, by module name: "model.layers.0.self_attn.q_proj"
  // (lm_head excluded).
  virtual void for_each_linear(const VisitLinear& visit) = 0;
  // Every stored tensor that is not inside a quantised weight, by Hugging Face name; a tied head is
  // not listed twice.
  virtual void for_each_parameter(const VisitTensor& visit) = 0;
  const ModelConfig& config() const { return config_; }
  ChangeEmbedding on_embedding;  // none unless training sets it (train/embedding_noise.h)
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
  // Training: the first layers whose backward pass computes the projections again instead of
  // keeping them. Same results, less memory (activation_bytes.h), about a third more time for them.
  int64_t recompute_layers = 0;
  // Those of the first layers that keep nothing but their input, and compute attention and the
  // output projections again, too.
  int64_t recompute_whole = 0;
  // The MLP of these goes through in pieces of so many tokens, whose inner rows alone are in memory;
  // 0 = in one piece.
  int64_t mlp_tile = 0;
  // What these keep waits in the computer's memory; on the CPU it is only copied.
  bool offload_inputs = false;
  // Products with frozen weights on the fused path.
  kernels::Matmul matmul = kernels::Matmul::kModel;
  // There, adapters of input projections whose weights are written out anyway are taken along in
  // the product with them, [x, u]·[W, s·B]ᵀ, instead of being added to it. The same but for
  // rounding.
  bool joins_low_rank = false;
  // Off: LibTorch's operators and autograd alone, the reference of the fused path.
  bool use_fused = true;

 protected:
  explicit CausalLM(ModelConfig config) : config_(std::move(config)) {}
  ModelConfig config_;
};

struct LoadOptions {
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
  std::string quant = "none";
};

// The format that linears which are stored dense get: `wanted`, or "none" where the folder holds
// 4-bit weights, which stay as they are; R051 when another format is wanted for those.
std::string quant_of(const ModelConfig& config, const std::string& wanted);

// From a Hugging Face folder, whose linears may be 4-bit weights of bitsandbytes. N004 no such
// folder; F05x config; F013 missing, F053 misshapen, F054
// unexpected tensors (all of a kind in one error, with expected and found shapes); F010… files.
std::unique_ptr<CausalLM> load_model(const std::filesystem::path& folder,
                                     const LoadOptions& options);

// The same without the values: names, shapes and dtypes, checked against the folder's files by the
// same errors, and no memory for them. An adapter can be loaded onto it, written out and merged;
// it cannot compute.
std::unique_ptr<CausalLM> load_skeleton(const std::filesystem::path& folder);

// From tensors of another kind of file, each of which is filled in pieces straight into the model.
// `where` names the file. F013, F053, F054, F055 as above.
std::unique_ptr<CausalLM> load_model(const ModelConfig& config,
                                     const std::vector<TensorSource>& tensors,
                                     const std::string& where, const LoadOptions& options);

// Fresh weights from `seed`: normal(0, initializer_range) for matrices and embeddings, 1 for norms,
// 0 for biases.
std::unique_ptr<CausalLM> init_model(const ModelConfig& config, uint64_t seed,
                                     const LoadOptions& options);

// Counts for people: total parameters and those that require grad (adapters included).
struct ParameterCount {
  int64_t total = 0, trainable = 0;
};
ParameterCount count_parameters(CausalLM& model);

// All tensors that require grad, by name in a fixed order: adapter tensors as
// "<module>.lora_A.weight", else parameters.
std::vector<std::pair<std::string, at::Tensor>> trainable_tensors(CausalLM& model);

// A stored tensor as an at::Tensor that borrows the mapped bytes (F055: dtype that weights cannot
// have).
at::Tensor borrow_tensor(const TensorView& view);

}  // namespace slmtune::models
