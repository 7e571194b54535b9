#include "export/gguf/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "core/text.h"
#include "export/encodings/encoding.h"
#include "export/gguf/key_reader.h"
#include "models/families/family.h"
#include "models/rope_config.h"

namespace slmtune::exporting {
namespace {

constexpr double kLargest = 1e12;           // of any number that a family reads
constexpr size_t kLongestVector = 1 << 16;  // pairs of channels
constexpr const char* kEmbedding = "token_embd.weight";

// Hugging Face name and GGUF key of what every architecture must say.
constexpr std::pair<const char*, const char*> kCounts[] = {
    {"hidden_size", "embedding_length"},
    {"intermediate_size", "feed_forward_length"},
    {"num_hidden_layers", "block_count"},
    {"num_attention_heads", "attention.head_count"},
    {"max_position_embeddings", "context_length"}};
// The same of what has a default.
constexpr std::pair<const char*, const char*> kOthers[] = {
    {"num_key_value_heads", "attention.head_count_kv"},
    {"head_dim", "attention.key_length"},
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon"},
    {"rope_theta", "rope.freq_base"},
    {"sliding_window", "attention.sliding_window"},
    {"partial_rotary_factor", "rope.dimension_count"}};

const GgufTensor* find_tensor(const GgufFile& file, const std::string& name) {
  for (const GgufTensor& tensor : file.tensors())
    if (tensor.name == name) return &tensor;
  return nullptr;
}

std::string supported_architectures() {
  std::map<std::string_view, std::string> names;
  for (const models::Family& family : models::families())
    if (!family.gguf.architecture.empty()) {
      std::string& list = names[family.gguf.architecture];
      list += (list.empty() ? "" : ", ") + std::string(family.architecture);
    }
  std::string text;
  for (const auto& [name, list] : names)
    text += (text.empty() ? "" : "; ") + std::string(name) + " (" + list + ")";
  return text;
}

// Of several families that share an architecture the first: the file does not say which it was, and
// what it computes is the same.
const models::Family& family_of(const KeyReader& keys) {
  const std::string name = keys.text("general.architecture");
  if (const auto type = keys.text_if("general.type"); type && *type != "model")
    keys.fail("general.type", "is '" + shown(*type) + "': this is no whole model");
  if (keys.integer("split.count").value_or(1) > 1)
    throw FileFormatError("F100", keys.where(),
                          "key 'split.count' says that this is one of several parts of a model",
                          "join the parts first, with 'llama-gguf-split --merge'");
  for (const models::Family& family : models::families())
    if (!family.gguf.architecture.empty() && family.gguf.architecture == name) return family;
  throw FileFormatError("F101", keys.where(), "architecture '" + shown(name) + "' is not supported",
                        "supported are: " + supported_architectures());
}

class ConfigMaker {
 public:
  explicit ConfigMaker(const GgufFile& file)
      : file_(file),
        keys_(file),
        family_(family_of(keys_)),
        prefix_(std::string(family_.gguf.architecture) + ".") {}
  GgufConfig make();

 private:
  std::string key(const char* name) const { return prefix_ + name; }
  void read_sizes();
  void read_heads();
  void read_scaling();
  void read_tokens();
  bool has_tensor(const char* name) const { return find_tensor(file_, name) != nullptr; }
  std::optional<double> number(const std::string& name) const;
  std::optional<std::vector<float>> vector(const std::string& name);
  models::ModelConfig checked() const;
  void check_vectors(const models::ModelConfig& config) const;

  const GgufFile& file_;
  KeyReader keys_;
  const models::Family& family_;
  std::string prefix_;
  Json json_;
  std::map<std::string, std::vector<float>> vectors_;  // that the family asked for
};

void ConfigMaker::read_sizes() {
  for (const auto& [name, stored] : kCounts) json_[name] = keys_.count(key(stored));
  if (keys_.integer(key("expert_count")).value_or(0) > 0)
    throw FileFormatError("F101", keys_.where(), "the model has several experts",
                          "slmtune runs dense models only");
  const auto epsilon = keys_.number(key("attention.layer_norm_rms_epsilon"));
  if (!epsilon) keys_.fail(key("attention.layer_norm_rms_epsilon"), "is missing");
  json_["rms_norm_eps"] = *epsilon;
  const GgufTensor* embedding = find_tensor(file_, kEmbedding);
  if (embedding == nullptr)
    throw FileFormatError("F013", keys_.where(),
                          "there is no tensor '" + std::string(kEmbedding) + "'",
                          "a file that holds a vocabulary only is no model");
  json_["vocab_size"] = embedding->shape.front();
  json_["tie_word_embeddings"] = !has_tensor("output.weight");
  json_["attention_bias"] = has_tensor("blk.0.attn_q.bias");
  json_["mlp_bias"] = has_tensor("blk.0.ffn_down.bias");
}

void ConfigMaker::read_heads() {
  const int64_t heads = json_["num_attention_heads"], hidden = json_["hidden_size"];
  const bool has_pairs = keys_.has(key("attention.head_count_kv"));
  json_["num_key_value_heads"] = has_pairs ? keys_.count(key("attention.head_count_kv")) : heads;
  const std::string length = key("attention.key_length");
  if (!keys_.has(length) && hidden % heads != 0)
    keys_.fail(length, "is missing, and the " + std::to_string(heads) + " heads do not divide '" +
                           key("embedding_length") + "'");
  const int64_t head_dim = keys_.has(length) ? keys_.count(length) : hidden / heads;
  json_["head_dim"] = head_dim;
  if (keys_.integer(key("attention.value_length")).value_or(head_dim) != head_dim)
    keys_.fail(key("attention.value_length"), "is not that of the keys, " +
                                                  std::to_string(head_dim) +
                                                  ", which slmtune does not compute");
  const int64_t turning = keys_.integer(key("rope.dimension_count")).value_or(head_dim);
  if (turning != head_dim && (!family_.has_partial_rotation || turning < 1 || turning > head_dim))
    keys_.fail(key("rope.dimension_count"), "is " + std::to_string(turning) + "; expected " +
                                                std::to_string(head_dim) + ", the size of a head");
}

// Linear and YaRN; the others are tensors, which the family reads.
void ConfigMaker::read_scaling() {
  json_["rope_theta"] = keys_.number(key("rope.freq_base")).value_or(10000.0);
  const std::string type = keys_.text_if(key("rope.scaling.type")).value_or("linear");
  if (type != "none" && type != "linear" && type != "yarn" && type != "longrope")
    keys_.fail(key("rope.scaling.type"),
               "is '" + shown(type) + "'; expected none, linear, yarn or longrope");
  const char* named =
      keys_.has(key("rope.scaling.factor")) ? "rope.scaling.factor" : "rope.scale_linear";
  const double factor = number(named).value_or(0.0);
  if (factor == 0.0 || factor == 1.0 || type == "none" || type == "longrope") return;
  json_["rope_scaling"] = {{"rope_type", type}, {"factor", factor}};
  if (type != "yarn") return;
  if (const auto original = keys_.integer(key("rope.scaling.original_context_length")))
    json_["rope_scaling"]["original_max_position_embeddings"] = *original;
  // llama.cpp multiplies it with YaRN's own factor; Hugging Face files give the product.
  const double extra = number("rope.scaling.attn_factor").value_or(1.0);
  if (extra != 1.0)
    json_["rope_scaling"]["attention_factor"] = extra * models::yarn_magnitude(factor);
}

void ConfigMaker::read_tokens() {
  for (const auto& [name, stored] :
       {std::pair{"bos_token_id", "tokenizer.ggml.bos_token_id"},
        std::pair{"eos_token_id", "tokenizer.ggml.eos_token_id"},
        std::pair{"pad_token_id", "tokenizer.ggml.padding_token_id"}}) {
    const auto id = keys_.integer(stored);
    json_[name] = id && *id < json_["vocab_size"].get<int64_t>() ? Json(*id) : Json();
  }
}

std::optional<double> ConfigMaker::number(const std::string& name) const {
  const auto value = keys_.number(prefix_ + name);
  if (value && std::abs(*value) > kLargest) keys_.fail(prefix_ + name, "is out of range");
  return value;
}

std::optional<std::vector<float>> ConfigMaker::vector(const std::string& name) {
  const GgufTensor* tensor = find_tensor(file_, name);
  if (tensor == nullptr) return std::nullopt;
  const Encoding* encoding = find_encoding(tensor->type);
  const auto size = static_cast<size_t>(tensor->shape.back());
  if (tensor->shape.size() != 1 || size > kLongestVector || encoding == nullptr)
    throw FileFormatError("F053", keys_.where(),
                          "tensor '" + name + "' is no list of numbers in float32", kConvertAgain);
  std::vector<float> values(size);
  encoding->decode(file_.data(name), values);
  for (const float value : values)
    if (!(value > 0.0f) || !std::isfinite(value))
      throw FileFormatError("F052", keys_.where(),
                            "tensor '" + name + "' holds a factor that is no number above 0",
                            "download the file again");
  vectors_[name] = values;
  return values;
}

// What from_json() refuses, it calls by Hugging Face names.
models::ModelConfig ConfigMaker::checked() const {
  try {
    return models::ModelConfig::from_json(json_, keys_.where());
  } catch (const FileFormatError& error) {
    Diagnostic diagnostic = error.diagnostics().front();
    const auto rename = [&](const std::string& name, const std::string& stored) {
      const std::string quoted = "'" + name + "'", other = "'" + key(stored.c_str()) + "'";
      const size_t at = diagnostic.what.find(quoted);
      if (at != std::string::npos) diagnostic.what.replace(at, quoted.size(), other);
    };
    for (const auto& [name, stored] : kCounts) rename(name, stored);
    for (const auto& [name, stored] : kOthers) rename(name, stored);
    throw FileFormatError(std::vector<Diagnostic>{diagnostic});
  }
}

// A vector must belong to the rope that the family made of it, or change nothing.
void ConfigMaker::check_vectors(const models::ModelConfig& config) const {
  std::vector<models::GgufVector> implied;
  if (family_.gguf.vectors != nullptr) implied = family_.gguf.vectors(config);
  for (const auto& [name, values] : vectors_) {
    const auto same = std::ranges::find(implied, name, &models::GgufVector::name);
    const bool is_implied = same != implied.end();
    if (is_implied && same->values.size() != values.size())
      throw FileFormatError("F053", keys_.where(),
                            "tensor '" + name + "' has " + std::to_string(values.size()) +
                                " numbers, expected " + std::to_string(same->values.size()),
                            kConvertAgain);
    const bool is_neutral =
        std::all_of(values.begin(), values.end(), [](float value) { return value == 1.0f; });
    if (!is_implied && !is_neutral)
      throw FileFormatError("F054", keys_.where(),
                            "tensor '" + name + "' does not belong to the rope that the keys say",
                            kConvertAgain);
  }
}

GgufConfig ConfigMaker::make() {
  json_ = {{"architectures", {std::string(family_.architecture)}},
           {"model_type", std::string(family_.model_type)},
           {"hidden_act", "silu"},
           {"torch_dtype", "float32"}};
  read_sizes();
  read_heads();
  read_scaling();
  read_tokens();
  if (family_.gguf.read != nullptr)
    family_.gguf.read(json_,
                      {keys_.where(), [this](const std::string& name) { return number(name); },
                       [this](const std::string& name) { return vector(name); }});
  GgufConfig made{checked(), &family_, {}};
  check_vectors(made.config);
  for (const auto& [name, values] : vectors_) made.vectors.push_back(name);
  return made;
}

}  // namespace

GgufConfig read_gguf_config(const GgufFile& file) {
  return ConfigMaker(file).make();
}

}  // namespace slmtune::exporting
