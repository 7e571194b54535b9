#include "models/blocks/decoder.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/error.h"
#include "kernels/embedding/embedding.h"
#include "kernels/matmul/table.h"
#include "kernels/rms_norm/rms_norm.h"
#include "models/blocks/attention.h"
#include "models/blocks/mlp.h"
#include "models/blocks/placeholder.h"
#include "models/blocks/replayed_half.h"

namespace slmtune::models {

DecoderLayer pre_norm_layer(const ModelConfig& config, size_t layer, at::ScalarType dtype) {
  return {attention_half(config, layer, dtype), mlp_half(config, dtype)};
}

Decoder::Decoder(const ModelConfig& config, const LoadOptions& options, MakeLayer make)
    : CausalLM(config),
      rotary_(config, options.dtype, options.device),
      written_(options.device) {
  dtype = options.dtype;
  device = options.device;
  embedding_ = placeholder({config.vocab_size, config.hidden_size}, dtype);
  norm_ = placeholder({config.hidden_size}, dtype);
  if (!config.tied_embeddings) head_ = placeholder({config.vocab_size, config.hidden_size}, dtype);
  for (size_t i = 0; i < static_cast<size_t>(config.layers); ++i)
    layers_.push_back(make(config, i, dtype));
}

at::Tensor Decoder::embedded_rows(const at::Tensor& ids, double scale) const {
  return kernels::embedding(embedding_, ids,
                            {.pad_id = config_.pad_id, .scale = scale, .type = dtype});
}

at::Tensor Decoder::embed(const at::Tensor& ids, const Layout& layout) const {
  const at::Tensor embedded = embedded_rows(ids);
  return on_embedding ? on_embedding(embedded, layout) : embedded;
}

at::Tensor Decoder::last_norm(const at::Tensor& x, const at::Tensor& weight) const {
  return kernels::rms_norm(x, weight, config_.rms_norm_eps);
}

at::Tensor Decoder::run_layers(const at::Tensor& ids, const Layout& given, KvCache* cache) const {
  const Layout layout = given.on(ids.device());
  const Rotation rotation = rotary_.at(layout);
  written_.begin();
  LayerForm form{.written = &written_,
                 .matmul = matmul,
                 .mlp_tile = mlp_tile,
                 .joins_low_rank = joins_low_rank};
  if (offload_inputs) form.inputs = std::make_shared<kernels::HostStack>(ids.device());
  at::Tensor x = embed(ids, layout);
  for (size_t i = 0; i < layers_.size(); ++i) {
    const auto number = static_cast<int64_t>(i);
    const LayerInput input{rotation,  layout, cache, i, use_fused, number < recompute_layers,
                           form};
    x = layer_forward(layers_[i].attention, layers_[i].mlp, x, input, number < recompute_whole);
  }
  return last_norm(x, norm_);
}

at::Tensor Decoder::continue_cache(const at::Tensor& ids, const Layout& layout,
                                   KvCache& cache) const {
  const at::NoGradGuard inference;
  const int64_t fresh = ids.size(0), total = cache.length + fresh;
  cache.keys.resize(layers_.size());
  cache.values.resize(layers_.size());
  if (rotary_.depends_on_length()) cache.ids = cache.length > 0 ? at::cat({cache.ids, ids}) : ids;
  at::Tensor out;
  if (cache.length > 0 && rotary_.outdates(cache.length, total)) {
    cache.length = 0;  // every key is turned anew, as transformers does for Phi-3
    const Layout whole{at::arange(total, layout.positions.options()), {0, total}};
    out = run_layers(cache.ids, whole, &cache).slice(0, total - fresh);
  } else {
    out = run_layers(ids, layout, &cache);
  }
  cache.length = total;
  return out;
}

at::Tensor Decoder::hidden(const at::Tensor& ids, const Layout& layout, KvCache* cache) {
  SLMTUNE_ASSERT(ids.dim() == 1 && ids.size(0) == layout.positions.size(0),
                 "ids do not fit layout");
  SLMTUNE_ASSERT(layout.starts.size() >= 2 && layout.starts.back() == ids.size(0), "bad layout");
  if (cache == nullptr) return run_layers(ids, layout, nullptr);
  SLMTUNE_ASSERT(layout.starts.size() == 2, "a cache holds one row");
  return continue_cache(ids, layout, *cache);
}

at::Tensor Decoder::logits(const at::Tensor& hidden) {
  const at::Tensor out = kernels::scores(hidden, head_.defined() ? head_ : embedding_);
  return dtype == at::kDouble ? out : out.to(at::kFloat);
}

Head Decoder::head() const {
  return {head_.defined() ? head_ : embedding_, config_.logit_soft_cap};
}

void Decoder::for_each_linear(const VisitLinear& visit) {
  for (size_t i = 0; i < layers_.size(); ++i) {
    const std::string prefix = "model.layers." + std::to_string(i) + ".";
    for (Half* half : {&layers_[i].attention, &layers_[i].mlp})
      half->for_each_linear(
          [&](const std::string& name, Linear& linear) { visit(prefix + name, linear); });
  }
}

void Decoder::for_each_parameter(const VisitTensor& visit) {
  visit("model.embed_tokens.weight", embedding_);
  for (size_t i = 0; i < layers_.size(); ++i) {
    const std::string prefix = "model.layers." + std::to_string(i) + ".";
    for (Half* half : {&layers_[i].attention, &layers_[i].mlp})
      half->for_each_norm(
          [&](const std::string& name, at::Tensor& tensor) { visit(prefix + name, tensor); });
  }
  for_each_linear([&](const std::string& name, Linear& linear) {
    if (at::Tensor* weight = linear.weight->trainable()) visit(name + ".weight", *weight);
    if (linear.bias.defined()) visit(name + ".bias", linear.bias);
  });
  visit("model.norm.weight", norm_);
  if (head_.defined()) visit("lm_head.weight", head_);
}

}  // namespace slmtune::models
