// Our side of the parity tests: runs one job of JSON from stdin and writes tensors to a safetensors
// file.
//
//   {"model": "folder", "out": "out.safetensors", "rows": [[1, 2, 3]], "labels": [[-100, 2, 3]],
//    "dtype": "float32", "adapter": "folder" | "attach": {"variant", "rank", "alpha", "targets",
//    "seed", "init", "noise", "rank_pattern", "alpha_pattern"}, "save_adapter": "folder",
//    "merge": "new folder", "shard_bytes": 60000, "train_all": true, "prompts": [[1, 2]],
//    "new_tokens": 64}
//
// Out: logits [T, V] of the rows packed in a line; loss, the mean over label tokens; grad.<name> of
// adapter tensors or, with train_all, of every parameter; text.<i>, the greedy continuation of
// prompt i.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstdio>
#include <exception>
#include <iostream>

#include "core/json.h"
#include "export/export.h"
#include "lora/attach.h"
#include "lora/merge.h"
#include "lora/peft_files.h"
#include "models/causal_lm.h"

namespace {

using namespace slmtune;

struct Batch {
  at::Tensor ids, label_rows, targets;
  models::Layout layout;
};

Batch read_batch(const Json& job) {
  std::vector<int64_t> ids, label_rows, targets, positions;
  Batch batch;
  batch.layout.starts = {0};
  for (size_t row = 0; row < job.at("rows").size(); ++row) {
    const auto tokens = job.at("rows")[row].get<std::vector<int64_t>>();
    const auto labels = job.at("labels")[row].get<std::vector<int64_t>>();
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (i + 1 < tokens.size() && labels[i + 1] >= 0) {
        label_rows.push_back(static_cast<int64_t>(ids.size()));
        targets.push_back(labels[i + 1]);
      }
      ids.push_back(tokens[i]);
      positions.push_back(static_cast<int64_t>(i));
    }
    batch.layout.starts.push_back(static_cast<int64_t>(ids.size()));
  }
  batch.ids = at::tensor(ids, at::kLong);
  batch.layout.positions = at::tensor(positions, at::kLong);
  batch.label_rows = at::tensor(label_rows, at::kLong);
  batch.targets = at::tensor(targets, at::kLong);
  return batch;
}

TensorSource float_source(const std::string& name, const at::Tensor& tensor) {
  const at::Tensor values = tensor.detach().to(at::kFloat).contiguous();
  return {name, DType::kF32, values.sizes().vec(),
          [values](const std::function<void(std::span<const std::byte>)>& write) {
            write({static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()});
          }};
}

// A fresh adapter with a random B, since B = 0 would test nothing, and other magnitudes. One that
// begins with singular vectors keeps them, changed by `noise`.
lora::LoraConfig attach_random(models::CausalLM& model, const Json& spec) {
  lora::LoraConfig config;
  config.variant = spec.at("variant");
  config.rank = spec.at("rank");
  config.alpha = spec.at("alpha");
  config.targets = spec.at("targets").get<std::vector<std::string>>();
  config.init = spec.value("init", "default");
  config.rank_pattern = spec.value("rank_pattern", config.rank_pattern);
  config.alpha_pattern = spec.value("alpha_pattern", config.alpha_pattern);
  lora::attach(model, config, spec.at("seed").get<uint64_t>());
  const at::NoGradGuard no_gradients;
  at::manual_seed(spec.at("seed").get<uint64_t>());
  for (auto& [name, tensor] : models::trainable_tensors(model)) {
    if (name.ends_with("lora_B.weight") && config.init == "default") tensor.normal_(0.0, 0.1);
    if (config.init == "pissa") tensor.add_(at::randn_like(tensor) * spec.value("noise", 0.0));
    if (name.ends_with("lora_magnitude_vector")) tensor.mul_(at::rand_like(tensor) + 0.5);
  }
  return config;
}

// With the cache, a token at a time; float32 ids.
at::Tensor greedy_text(models::CausalLM& model, const std::vector<int64_t>& prompt, int64_t count) {
  const at::NoGradGuard no_gradients;
  models::KvCache cache;
  std::vector<float> made;
  at::Tensor ids = at::tensor(prompt, at::kLong);
  while (static_cast<int64_t>(made.size()) < count) {
    const at::Tensor hidden =
        model.hidden(ids, models::Layout::single(ids.size(0), cache.length), &cache);
    ids = model.logits(hidden.slice(0, -1)).argmax(-1);
    made.push_back(static_cast<float>(ids.item<int64_t>()));
  }
  return at::tensor(made);
}

void run(const Json& job) {
  const std::string dtype = job.value("dtype", "float32");
  const std::filesystem::path folder = job.at("model").get<std::string>();
  auto model = models::load_model(folder, {.dtype = dtype == "bfloat16"  ? at::kBFloat16
                                                    : dtype == "float64" ? at::kDouble
                                                                         : at::kFloat});
  lora::LoraConfig config;
  if (job.contains("adapter"))
    config = lora::load_peft(*model, job.at("adapter").get<std::string>());
  if (job.contains("attach")) config = attach_random(*model, job.at("attach"));
  if (job.contains("save_adapter"))
    lora::save_peft(*model, config, folder.string(), job.at("save_adapter").get<std::string>());
  if (job.contains("merge")) {
    const TensorFolder base = TensorFolder::open(folder);
    exporting::write_hf_folder(
        {model->config(), lora::merged_tensors(*model, base), folder, "merged"},
        job.at("merge").get<std::string>(), job.at("shard_bytes").get<uint64_t>());
  }
  if (job.value("train_all", false))
    model->for_each_parameter(
        [](const std::string&, at::Tensor& tensor) { tensor.set_requires_grad(true); });
  const Batch batch = read_batch(job);
  const at::Tensor logits = model->logits(model->hidden(batch.ids, batch.layout));
  const at::Tensor loss =
      at::cross_entropy_loss(logits.index_select(0, batch.label_rows), batch.targets);
  std::vector<TensorSource> out = {float_source("logits", logits), float_source("loss", loss)};
  if (loss.requires_grad()) {
    loss.backward();
    for (const auto& [name, tensor] : models::trainable_tensors(*model))
      out.push_back(float_source("grad." + name, tensor.grad()));
  }
  const Json prompts = job.value("prompts", Json::array());
  for (size_t i = 0; i < prompts.size(); ++i)
    out.push_back(float_source("text." + std::to_string(i),
                               greedy_text(*model, prompts[i].get<std::vector<int64_t>>(),
                                           job.at("new_tokens").get<int64_t>())));
  write_safetensors(job.at("out").get<std::string>(), out);
}

}  // namespace

int main() {
  try {
    run(Json::parse(std::cin));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
