#include "models/blocks/decoder.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/error.h"
#include "kernels/rms_norm/rms_norm.h"

namespace slmtune::models {
namespace {

at::Tensor placeholder(at::IntArrayRef shape, at::ScalarType dtype) {
  return at::empty(shape, at::TensorOptions().dtype(dtype).device(at::kMeta));
}

Linear make_linear(int64_t in, int64_t out, bool bias, at::ScalarType dtype) {
  Linear linear;
  linear.weight = kernels::quant_format("none")(placeholder({out, in}, dtype));
  if (bias) linear.bias = placeholder({out}, dtype);
  return linear;
}

}  // namespace

PreNormDecoder::PreNormDecoder(const ModelConfig& config, const LoadOptions& options)
    : CausalLM(config), rotary_(config, options.dtype, options.device) {
  dtype = options.dtype;
  device = options.device;
  embedding_ = placeholder({config.vocab_size, config.hidden_size}, dtype);
  norm_ = placeholder({config.hidden_size}, dtype);
  if (!config.tied_embeddings) head_ = placeholder({config.vocab_size, config.hidden_size}, dtype);
  layers_.reserve(static_cast<size_t>(config.layers));
  for (int64_t i = 0; i < config.layers; ++i) layers_.push_back(make_layer());
}

PreNormDecoder::Layer PreNormDecoder::make_layer() const {
  const int64_t width = config_.hidden_size, inner = config_.intermediate_size;
  const int64_t queries = config_.heads * config_.head_dim;
  const int64_t keys = config_.kv_heads * config_.head_dim;
  Layer layer;
  layer.input_norm = placeholder({width}, dtype);
  layer.post_attention_norm = placeholder({width}, dtype);
  layer.attention.query = make_linear(width, queries, config_.attention_bias, dtype);
  layer.attention.key = make_linear(width, keys, config_.attention_bias, dtype);
  layer.attention.value = make_linear(width, keys, config_.attention_bias, dtype);
  layer.attention.output = make_linear(queries, width, config_.output_bias, dtype);
  layer.attention.heads = config_.heads;
  layer.attention.kv_heads = config_.kv_heads;
  layer.attention.head_dim = config_.head_dim;
  layer.mlp.gate = make_linear(width, inner, config_.mlp_bias, dtype);
  layer.mlp.up = make_linear(width, inner, config_.mlp_bias, dtype);
  layer.mlp.down = make_linear(inner, width, config_.mlp_bias, dtype);
  return layer;
}

at::Tensor PreNormDecoder::run_layers(at::Tensor x, const Layout& layout, KvCache* cache) const {
  const Rotation rotation = rotary_.at_positions(layout.positions);
  const double eps = config_.rms_norm_eps;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const at::Tensor normed = kernels::rms_norm(x, layer.input_norm, eps);
    x = x + layer.attention.forward(normed, rotation, layout, cache, i);
    x = x + layer.mlp.forward(kernels::rms_norm(x, layer.post_attention_norm, eps));
  }
  return kernels::rms_norm(x, norm_, eps);
}

at::Tensor PreNormDecoder::hidden(const at::Tensor& ids, const Layout& layout, KvCache* cache) {
  SLMTUNE_ASSERT(ids.dim() == 1 && ids.size(0) == layout.positions.size(0),
                 "ids do not fit layout");
  SLMTUNE_ASSERT(layout.starts.size() >= 2 && layout.starts.back() == ids.size(0), "bad layout");
  if (cache == nullptr) return run_layers(at::embedding(embedding_, ids), layout, nullptr);
  SLMTUNE_ASSERT(layout.starts.size() == 2, "a cache holds one row");
  const at::NoGradGuard inference;
  cache->keys.resize(layers_.size());
  cache->values.resize(layers_.size());
  const at::Tensor out = run_layers(at::embedding(embedding_, ids), layout, cache);
  cache->length += ids.size(0);
  return out;
}

at::Tensor PreNormDecoder::logits(const at::Tensor& hidden) {
  const at::Tensor out = at::linear(hidden, head_.defined() ? head_ : embedding_);
  return dtype == at::kDouble ? out : out.to(at::kFloat);
}

void PreNormDecoder::for_each_linear(
    const std::function<void(const std::string& name, Linear& linear)>& visit) {
  for (size_t i = 0; i < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    const std::string prefix = "model.layers." + std::to_string(i) + ".";
    visit(prefix + "self_attn.q_proj", layer.attention.query);
    visit(prefix + "self_attn.k_proj", layer.attention.key);
    visit(prefix + "self_attn.v_proj", layer.attention.value);
    visit(prefix + "self_attn.o_proj", layer.attention.output);
    visit(prefix + "mlp.gate_proj", layer.mlp.gate);
    visit(prefix + "mlp.up_proj", layer.mlp.up);
    visit(prefix + "mlp.down_proj", layer.mlp.down);
  }
}

void PreNormDecoder::for_each_parameter(
    const std::function<void(const std::string& name, at::Tensor& tensor)>& visit) {
  visit("model.embed_tokens.weight", embedding_);
  for (size_t i = 0; i < layers_.size(); ++i) {
    const std::string prefix = "model.layers." + std::to_string(i) + ".";
    visit(prefix + "input_layernorm.weight", layers_[i].input_norm);
    visit(prefix + "post_attention_layernorm.weight", layers_[i].post_attention_norm);
  }
  for_each_linear([&](const std::string& name, Linear& linear) {
    if (at::Tensor* weight = linear.weight->trainable()) visit(name + ".weight", *weight);
    if (linear.bias.defined()) visit(name + ".bias", linear.bias);
  });
  visit("model.norm.weight", norm_);
  if (head_.defined()) visit("lm_head.weight", head_);
}

std::unique_ptr<CausalLM> make_pre_norm_decoder(const ModelConfig& config,
                                                const LoadOptions& options) {
  return std::make_unique<PreNormDecoder>(config, options);
}

}  // namespace slmtune::models
