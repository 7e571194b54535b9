#include "export/gguf/gguf_source.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <system_error>

#include "core/error.h"
#include "core/shape.h"
#include "core/text.h"
#include "export/gguf/ggml_types.h"
#include "export/gguf/gguf_config.h"
#include "export/gguf/gguf_layout.h"
#include "export/gguf/gguf_tensors.h"
#include "export/gguf/key_reader.h"
#include "export/gguf/weight_stream.h"
#include "models/families/family.h"

namespace slmtune::exporting {
namespace {

constexpr std::string_view kLayer = "blk.{}.";

struct Expected {
  std::string name;  // Hugging Face
  std::vector<int64_t> shape;
};

bool has_module(const models::GgufFacts& facts, std::string_view name) {
  return std::any_of(facts.names.begin(), facts.names.end(),
                     [&](const auto& entry) { return entry.second == name; });
}

// Of the weight of a module of GGUF.
std::vector<int64_t> weight_shape(std::string_view module, const models::GgufFacts& facts,
                                  const models::ModelConfig& c) {
  const int64_t queries = c.heads * c.head_dim, keys = c.kv_heads * c.head_dim;
  if (module == "token_embd" || module == "output") return {c.vocab_size, c.hidden_size};
  const std::string_view part =
      module.starts_with(kLayer) ? module.substr(kLayer.size()) : std::string_view();
  if (part == "attn_q") return {queries, c.hidden_size};
  if (part == "attn_k" || part == "attn_v") return {keys, c.hidden_size};
  if (part == "attn_qkv") return {queries + 2 * keys, c.hidden_size};
  if (part == "attn_output") return {c.hidden_size, queries};
  if (part == "ffn_gate") return {c.intermediate_size, c.hidden_size};
  // Without a module of its own the gate is the first half of this one.
  const int64_t halves = has_module(facts, "blk.{}.ffn_gate") ? 1 : 2;
  if (part == "ffn_up") return {halves * c.intermediate_size, c.hidden_size};
  if (part == "ffn_down") return {c.hidden_size, c.intermediate_size};
  return {c.hidden_size};  // norms
}

bool has_bias(std::string_view module, const models::ModelConfig& config) {
  if (module.ends_with(".attn_q") || module.ends_with(".attn_k") || module.ends_with(".attn_v"))
    return config.attention_bias;
  if (module.ends_with(".attn_output")) return config.output_bias;
  const bool is_mlp =
      module.ends_with(".ffn_gate") || module.ends_with(".ffn_up") || module.ends_with(".ffn_down");
  return is_mlp && config.mlp_bias;
}

// Every tensor that the config implies, by GGUF name.
std::map<std::string, Expected> expected_tensors(const models::GgufFacts& facts,
                                                 const models::ModelConfig& config) {
  std::map<std::string, Expected> expected;
  for (const auto& [name, module] : facts.names) {
    if (module == "output" && config.tied_embeddings) continue;
    const std::vector<int64_t> shape = weight_shape(module, facts, config);
    const int64_t copies = module.starts_with(kLayer) ? config.layers : 1;
    for (int64_t layer = 0; layer < copies; ++layer) {
      const std::string number = std::to_string(layer);
      const std::string stored = with_layer(module, number), original = with_layer(name, number);
      expected[stored + ".weight"] = {original + ".weight", shape};
      if (has_bias(module, config))
        expected[stored + ".bias"] = {original + ".bias", {shape.front()}};
    }
  }
  return expected;
}

const Encoding& encoding_of_tensor(const GgufTensor& tensor, const std::string& where) {
  if (const Encoding* encoding = find_encoding(tensor.type)) return *encoding;
  std::string supported;
  for (const Encoding& encoding : encodings())
    supported += (supported.empty() ? "" : ", ") + std::string(encoding.name);
  throw FileFormatError("F101", where,
                        "tensor '" + shown(tensor.name) + "' is stored as " +
                            std::string(find_ggml_type(tensor.type)->name) +
                            ", which slmtune does not decode",
                        "it decodes " + supported);
}

void check_shape(const GgufTensor& tensor, const Expected& expected, const std::string& where) {
  if (tensor.shape == expected.shape) return;
  throw FileFormatError("F053", where,
                        "tensor '" + shown(tensor.name) + "' is " + shape_text(tensor.shape) +
                            ", but the keys say " + shape_text(expected.shape),
                        kConvertAgain);
}

}  // namespace

GgufSource GgufSource::open(const std::filesystem::path& path) {
  GgufSource source(GgufFile::open(path));
  const std::string where = path.string();
  GgufConfig read = read_gguf_config(source.file_);
  source.config_ = std::move(read.config);
  const models::GgufFacts& facts = read.family->gguf;
  auto expected = expected_tensors(facts, source.config_);
  for (size_t i = 0; i < source.file_.tensors().size(); ++i) {
    const GgufTensor& tensor = source.file_.tensors()[i];
    if (std::find(read.vectors.begin(), read.vectors.end(), tensor.name) != read.vectors.end())
      continue;
    const auto found = expected.find(tensor.name);
    if (found == expected.end())
      throw FileFormatError("F054", where,
                            "tensor '" + shown(tensor.name) + "' is unknown to architecture '" +
                                std::string(facts.architecture) + "' with these keys",
                            kConvertAgain);
    check_shape(tensor, found->second, where);
    source.weights_.push_back({i, found->second.name, &encoding_of_tensor(tensor, where),
                               reordered_heads(facts, source.config_, tensor.name),
                               facts.adds_one_to_norms && tensor.name.ends_with("norm.weight")});
    expected.erase(found);
  }
  if (!expected.empty())
    throw FileFormatError("F013", where,
                          "there is no tensor '" + expected.begin()->first + "' " +
                              shape_text(expected.begin()->second.shape),
                          kConvertAgain);
  return source;
}

std::vector<TensorSource> GgufSource::tensors() const {
  std::vector<TensorSource> sources;
  for (const Weight& weight : weights_) {
    const GgufTensor& tensor = file_.tensors()[weight.tensor];
    const StoredRows rows{tensor.shape, file_.data(tensor.name), weight.encoding,
                          weight.reordered_heads, weight.adds_one};
    sources.push_back({weight.name, DType::kF32, tensor.shape,
                       [rows](const auto& write) { stream_weight(rows, write); }});
  }
  return sources;
}

bool is_gguf(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  if (path.extension() == ".gguf") return true;
  char start[kGgufMagic.size()] = {};
  std::ifstream(path, std::ios::binary).read(start, sizeof start);
  return starts_as_gguf(std::as_bytes(std::span(start)));
}

}  // namespace slmtune::exporting
