// Models small enough for unit tests, of every family, and Hugging Face folders made from them.
//
//   auto model = tiny_model("LlamaForCausalLM", at::kDouble);
//   write_model_folder(*model, folder.path(), DType::kBF16);
#pragma once
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/safetensors.h"
#include "models/causal_lm.h"
#include "models/families/family.h"

namespace slmtune::testing {

// With what the family asks for in its tests: windows shorter than the text, soft-caps on.
inline Json tiny_config(const std::string& architecture, bool tied = false) {
  const models::Family& family = *models::find_family(architecture);
  Json json = {{"architectures", {architecture}},
               {"model_type", family.model_type},
               {"hidden_size", 16},
               {"intermediate_size", 24},
               {"num_hidden_layers", 2},
               {"num_attention_heads", 4},
               {"num_key_value_heads", 2},
               {"vocab_size", 40},
               {"max_position_embeddings", 64},
               {"rms_norm_eps", 1e-5},
               {"rope_theta", 10000.0},
               {"initializer_range", 0.2},
               {"tie_word_embeddings", tied},
               {"hidden_act", "silu"},
               {"eos_token_id", 2}};
  if (!family.tiny_config.empty()) json.update(Json::parse(family.tiny_config));
  return json;
}

inline std::unique_ptr<models::CausalLM> tiny_model(const std::string& architecture,
                                                    at::ScalarType dtype = at::kFloat,
                                                    bool tied = false, uint64_t seed = 7) {
  const auto config =
      models::ModelConfig::from_json(tiny_config(architecture, tied), "config.json");
  return models::init_model(config, seed, {.dtype = dtype});
}

// A source that owns its values, converted to `dtype`.
inline TensorSource tensor_source(const std::string& name, const at::Tensor& tensor, DType dtype) {
  const at::ScalarType type = dtype == DType::kF16    ? at::kHalf
                              : dtype == DType::kBF16 ? at::kBFloat16
                              : dtype == DType::kI32  ? at::kInt
                                                      : at::kFloat;
  const at::Tensor values = tensor.detach().to(type).contiguous();
  return {name, dtype, values.sizes().vec(),
          [values](const std::function<void(std::span<const std::byte>)>& write) {
            write({static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()});
          }};
}

inline std::vector<TensorSource> model_tensors(models::CausalLM& model, DType dtype) {
  std::vector<TensorSource> tensors;
  model.for_each_parameter([&](const std::string& name, at::Tensor& tensor) {
    tensors.push_back(tensor_source(name, tensor, dtype));
  });
  return tensors;
}

inline void write_model_folder(models::CausalLM& model, const std::filesystem::path& folder,
                               DType dtype = DType::kF32) {
  write_file(folder / "config.json", model.config().json.dump(2));
  write_safetensors(folder / "model.safetensors", model_tensors(model, dtype));
}

// Packed layout of rows with these lengths.
inline models::Layout packed_layout(const std::vector<int64_t>& lengths) {
  models::Layout layout;
  layout.starts = {0};
  std::vector<at::Tensor> positions;
  for (const int64_t length : lengths) {
    positions.push_back(at::arange(length, at::kLong));
    layout.starts.push_back(layout.starts.back() + length);
  }
  layout.positions = at::cat(positions);
  return layout;
}

// Ids 3, 8, 13 … that stay inside the tiny vocabulary.
inline at::Tensor some_ids(int64_t count, int64_t vocabulary = 40) {
  return (at::arange(count, at::kLong) * 5 + 3).remainder(vocabulary);
}

}  // namespace slmtune::testing
