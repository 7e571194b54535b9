// A model of two layers and random rows, small enough to train in milliseconds.
#pragma once
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/seed.h"
#include "data/loader.h"
#include "lora/attach.h"
#include "models/causal_lm.h"
#include "tests/support/temp_folder.h"
#include "train/sft.h"

namespace slmtune::train::testing {

inline constexpr int32_t kVocabulary = 64;

inline std::unique_ptr<models::CausalLM> tiny_model(at::ScalarType dtype = at::kFloat,
                                                    bool tied = true,
                                                    int64_t vocabulary = kVocabulary) {
  Json json = {{"architectures", {"LlamaForCausalLM"}},
               {"model_type", "llama"},
               {"hidden_size", 32},
               {"intermediate_size", 48},
               {"num_hidden_layers", 2},
               {"num_attention_heads", 4},
               {"num_key_value_heads", 2},
               {"vocab_size", vocabulary},
               {"max_position_embeddings", 128},
               {"rms_norm_eps", 1e-6},
               {"rope_theta", 10000.0},
               {"hidden_act", "silu"},
               {"initializer_range", 0.2},
               {"bos_token_id", 1},
               {"eos_token_id", 2},
               {"tie_word_embeddings", tied}};
  models::LoadOptions options;
  options.dtype = dtype;
  return models::init_model(models::ModelConfig::from_json(json, "config.json"), 1, options);
}

// With a LoRA whose B is not zero, so that every adapter tensor has a gradient.
inline std::unique_ptr<models::CausalLM> tiny_lora_model(double dropout = 0.0,
                                                         at::ScalarType dtype = at::kFloat) {
  auto model = tiny_model(dtype);
  lora::LoraConfig config;
  config.rank = 4;
  config.alpha = 8;
  config.dropout = dropout;
  lora::attach(*model, config, 3);
  at::manual_seed(4);
  for (auto& [name, tensor] : models::trainable_tensors(*model))
    if (name.ends_with("lora_B.weight")) tensor.detach().normal_(0.0, 0.05);
  return model;
}

inline constexpr int32_t kPoison = kVocabulary - 1;  // a token whose embedding is not a number

// A frozen base where a row with kPoison gives a loss that is not finite. The head is not tied to
// the embedding, so that rows without the token are sound.
inline std::unique_ptr<models::CausalLM> poisoned_model() {
  auto model = tiny_model(at::kFloat, false);
  lora::LoraConfig config;
  config.rank = 4;
  lora::attach(*model, config, 3);
  model->for_each_parameter([](const std::string& name, at::Tensor& tensor) {
    if (name == "model.embed_tokens.weight")
      tensor.detach()[kPoison].fill_(std::numeric_limits<float>::quiet_NaN());
  });
  return model;
}

// The dataset with every row changed by `change(tokens, row)`.
template <typename Change>
void change_rows(data::Dataset& dataset, Change&& change) {
  data::Rows changed;
  for (size_t row = 0; row < dataset.rows.size(); ++row) {
    data::Tokens tokens = dataset.rows[row].tokens();
    change(tokens, row);
    changed.push_back(tokens);
  }
  dataset.rows = changed;
}

inline void poison(data::Dataset& dataset, size_t poisoned) {
  change_rows(dataset, [&](data::Tokens& tokens, size_t row) {
    if (row == poisoned) tokens.ids[0] = kPoison;
  });
}

// No token carries loss any more.
inline void untrain(data::Dataset& dataset) {
  change_rows(dataset, [](data::Tokens& tokens, size_t) {
    tokens.labels.assign(tokens.labels.size(), data::kNotTrained);
  });
}

inline void require_all_gradients(models::CausalLM& model) {
  model.for_each_parameter(
      [](const std::string&, at::Tensor& tensor) { tensor.requires_grad_(true); });
}

// Rows of 3 to 20 tokens; the first third of each carries no loss.
inline data::Dataset tiny_rows(size_t count, uint64_t seed = 5) {
  data::Dataset dataset;
  SplitMix64 random(seed);
  for (size_t row = 0; row < count; ++row) {
    data::Tokens tokens;
    size_t length = 3 + random.below(18);
    for (size_t i = 0; i < length; ++i) {
      auto id =
          static_cast<int32_t>(3 + random.below(kVocabulary - 4));  // the last id stays unused
      tokens.ids.push_back(id);
      tokens.labels.push_back(i < length / 3 ? data::kNotTrained : id);
    }
    dataset.rows.push_back(tokens, "rows.jsonl", static_cast<uint32_t>(row + 1));
  }
  return dataset;
}

inline std::vector<OrderedJson> log_lines(const std::filesystem::path& run) {
  std::vector<OrderedJson> lines;
  std::istringstream text(read_text_file(run / "log.jsonl"));
  for (std::string line; std::getline(text, line);) lines.push_back(OrderedJson::parse(line));
  return lines;
}

// A run with its own store; `job` is ready to start.
struct TinyRun {
  explicit TinyRun(std::unique_ptr<models::CausalLM> a_model, size_t rows = 20)
      : model(std::move(a_model)), train(tiny_rows(rows)) {
    job.model = model.get();
    job.train = &train;
    job.run = &run;
    job.eval.every = 0;
    job.config.batch_rows = 4;
    job.config.learning_rate = 5e-3;
    job.config.micro_batch_tokens = 32;
    job.config.epochs = 2;
  }
  slmtune::testing::TempFolder folder;
  std::unique_ptr<models::CausalLM> model;
  data::Dataset train;
  RunFolder run = RunFolder::create(folder.path(), "name: tiny\n");
  TrainJob job;
};

}  // namespace slmtune::train::testing
