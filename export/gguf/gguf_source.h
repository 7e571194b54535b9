// A model and its tokenizer out of a GGUF file, whoever wrote it: what export.h puts in, taken out
// again. A file is hostile input; everything it says is checked before it is used.
//
//   const GgufSource source = GgufSource::open("exports/0042/faq-q4_k_m.gguf");
//   std::unique_ptr<models::CausalLM> model = load_gguf_model(source, {.dtype = at::kFloat});
//   const data::Tokenizer tokenizer = gguf_tokenizer(source.file());
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/safetensors.h"
#include "data/tokenizer/tokenizer.h"
#include "export/encodings/encoding.h"
#include "export/gguf/gguf.h"
#include "models/model_config.h"

namespace slmtune::models {
class CausalLM;
struct LoadOptions;
}  // namespace slmtune::models

namespace slmtune::exporting {

class GgufSource {
 public:
  // F090 to F093 the file as such; F100 a key missing or wrong; F101 an architecture or an encoding
  // that slmtune does not have; F013, F053, F054 tensors missing, of another shape than the keys
  // say, or unknown; F05x what the family refuses.
  static GgufSource open(const std::filesystem::path& path);

  const GgufFile& file() const { return file_; }
  // As if read from a config.json: `json` holds the keys under their Hugging Face names. Arch llama
  // is LlamaForCausalLM, which computes what Mistral does.
  const models::ModelConfig& config() const { return config_; }

  // The weights under Hugging Face names, in float32, with the values that Hugging Face files have:
  // rows of queries and keys in their order, Gemma's norms around 0. Each `fill` decodes its tensor
  // a few rows at a time, straight from the file, which this object must outlive.
  std::vector<TensorSource> tensors() const;

 private:
  struct Weight {
    size_t tensor = 0;  // of file().tensors()
    std::string name;   // Hugging Face
    const Encoding* encoding = nullptr;
    int64_t reordered_heads = 0;
    bool adds_one = false;
  };
  explicit GgufSource(GgufFile file) : file_(std::move(file)) {}

  GgufFile file_;
  models::ModelConfig config_;
  std::vector<Weight> weights_;
};

// The network with the file's weights in the wanted type; only a few rows are in memory beside it.
std::unique_ptr<models::CausalLM> load_gguf_model(const GgufSource& source,
                                                  const models::LoadOptions& options);

// F100 a key missing or wrong; F030, F031, F032 as of Tokenizer::from_gguf.
data::Tokenizer gguf_tokenizer(const GgufFile& file);

// The Jinja text; "" when the file has none. F100.
std::string gguf_chat_template(const GgufFile& file);

// Whether the file starts as GGUF does, or is named so. False for what is not there or no file.
bool is_gguf(const std::filesystem::path& path);

}  // namespace slmtune::exporting
