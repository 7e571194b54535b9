// Every model family, tiny, over every storage format: loss and gradients of the GPU against the
// CPU's; the fused path against the generic one; the same bits in two runs.
#include <torch/csrc/autograd/function.h>

#include <map>

#include "data/packer.h"
#include "kernels/device.h"
#include "kernels/quant/frozen_weight.h"
#include "lora/attach.h"
#include "models/families/family.h"
#include "tests/gpu/comparison.h"
#include "tests/support/tiny_model.h"
#include "train/loss.h"

namespace slmtune::gpu_tests {
namespace {

constexpr int64_t kVocabulary = 203;

// The smallest shapes of the laws (heads of 4 and 6), and wider ones that the flash kernels serve.
models::ModelConfig shape_of(const std::string& architecture, bool wide) {
  Json json = testing::tiny_config(architecture);
  json["vocab_size"] = kVocabulary;
  json["max_position_embeddings"] = std::max(512, json.value("max_position_embeddings", 0));
  if (wide) {
    const bool has_factors = json.contains("rope_scaling");  // a list as long as half a head
    json["hidden_size"] = has_factors ? 64 : 256;
    json["num_attention_heads"] = has_factors ? 8 : 4;
    json["intermediate_size"] = 200;
    if (json.contains("head_dim")) json["head_dim"] = has_factors ? 8 : 64;
    if (json.contains("sliding_window")) json["sliding_window"] = 50;
    json["initializer_range"] = 0.1;
  }
  return models::ModelConfig::from_json(json, "config.json");
}

struct Model {
  std::string architecture, format;
  at::ScalarType dtype;
  bool wide;
};

// The same weights on both devices: those of a fresh model come from the CPU's generators.
std::unique_ptr<models::CausalLM> make(const Model& model, at::Device device) {
  auto made = models::init_model(shape_of(model.architecture, model.wide), 7,
                                 {.dtype = model.dtype, .device = device, .quant = model.format});
  lora::attach(*made, {.rank = 5, .alpha = 10.0}, 1);
  const at::NoGradGuard no_gradients;
  uint64_t drawn = 0;
  const auto move = [&](at::Tensor& tensor, double deviation) {
    at::Generator random = at::detail::createCPUGenerator(++drawn);
    const at::Tensor values = at::empty(tensor.sizes(), at::kFloat).normal_(0.0, deviation, random);
    tensor.add_(values.to(tensor.device(), tensor.scalar_type()));
  };
  for (auto& [name, tensor] : models::trainable_tensors(*made)) move(tensor, 0.05);
  // Biases of a fresh model are 0, norms all alike.
  made->for_each_parameter([&](const std::string&, at::Tensor& tensor) {
    if (tensor.dim() == 1) move(tensor, 0.2);
  });
  return made;
}

data::MicroBatch rows_of(const std::vector<int64_t>& lengths) {
  data::MicroBatch batch;
  batch.starts = {0};
  for (const int64_t length : lengths) {
    for (int64_t i = 0; i < length; ++i) {
      const auto id = static_cast<int32_t>((batch.ids.size() * 31 + 5) % kVocabulary);
      batch.ids.push_back(id);
      batch.labels.push_back(i < length / 3 || i == 0 ? data::kNotTrained : id);
      batch.positions.push_back(static_cast<int32_t>(i));
      batch.trained += batch.labels.back() != data::kNotTrained;
    }
    batch.rows.push_back(batch.rows.size());
    batch.starts.push_back(batch.starts.back() + length);
  }
  return batch;
}

struct Passes {
  at::Tensor loss, hidden;
  std::map<std::string, at::Tensor> gradients;
};

Passes passes(models::CausalLM& model) {
  auto trained = models::trainable_tensors(model);
  for (auto& [name, tensor] : trained) tensor.mutable_grad().reset();
  const train::BatchTensors batch = train::to_tensors(rows_of({60, 1, 41, 30}), model.device);
  const at::Tensor loss = train::loss_sum(model, batch, 64);
  loss.backward();
  Passes made;
  made.loss = loss.detach().cpu();
  for (auto& [name, tensor] : trained)
    if (tensor.grad().defined()) made.gradients[name] = tensor.grad().cpu().clone();
  const at::NoGradGuard no_gradients;
  made.hidden = model.hidden(batch.ids, batch.layout).cpu();
  return made;
}

// Whether the graph behind `tensor` has a half that is one hand-written node.
bool is_fused(const at::Tensor& tensor) {
  std::vector<const torch::autograd::Node*> open = {tensor.grad_fn().get()};
  while (!open.empty()) {
    const torch::autograd::Node* node = open.back();
    open.pop_back();
    if (node == nullptr) continue;
    if (node->name().find("FusedHalf") != std::string::npos) return true;
    for (const auto& edge : node->next_edges()) open.push_back(edge.function.get());
  }
  return false;
}

// Single gradients of a bfloat16 model are rounded in other places on each device; their mean says
// whether they are the same numbers.
void expect_same(const Passes& found, const Passes& expected, at::ScalarType dtype) {
  const bool is_exact = dtype == at::kFloat;
  EXPECT_LE(relative_error(found.loss, expected.loss), is_exact ? 1e-5 : 1e-2);
  expect_close(found.hidden, expected.hidden, is_exact ? 2e-5 : 3e-2, "hidden");
  ASSERT_EQ(found.gradients.size(), expected.gradients.size());
  double sum = 0.0;
  for (const auto& [name, gradient] : expected.gradients) {
    const double error = relative_error(found.gradients.at(name), gradient);
    EXPECT_LE(error, is_exact ? 2e-4 : 0.3) << name;
    sum += error;
  }
  EXPECT_LE(sum / static_cast<double>(expected.gradients.size()), is_exact ? 5e-5 : 0.08);
}

std::vector<Model> models_of(const std::string& architecture) {
  std::vector<Model> all;
  for (const kernels::QuantRow& format : kernels::quant_formats()) {
    // With the CPU in the GPU's place one format shows that the tests are sound.
    if (setting().device.is_cpu() && format.name != "nf4") continue;
    for (const at::ScalarType dtype : kDtypes)
      for (const bool wide : {false, true}) all.push_back({architecture, format.name, dtype, wide});
  }
  return all;
}

class Family : public ::testing::TestWithParam<std::string> {
 protected:
  template <typename Work>
  void for_all_models(const Work& work) {
    for (const Model& model : models_of(GetParam())) {
      SCOPED_TRACE(model.format + ", " + at::toString(model.dtype) + (model.wide ? ", wide" : ""));
      work(model);
    }
  }
};

std::vector<std::string> architectures() {
  std::vector<std::string> names;
  for (const models::Family& family : models::families()) names.emplace_back(family.architecture);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Every, Family, ::testing::ValuesIn(architectures()),
                         [](const auto& instance) { return instance.param; });

TEST_P(Family, LossAndGradientsAreTheCpus) {
  for_all_models([](const Model& model) {
    const Passes expected = passes(*make(model, at::kCPU));
    const PoisonedMemory poisoned;
    expect_same(passes(*make(model, setting().device)), expected, model.dtype);
  });
}

TEST_P(Family, FusedPathIsTheGenericOne) {
  for_all_models([](const Model& model) {
    auto made = make(model, setting().device);
    const train::BatchTensors batch = train::to_tensors(rows_of({9, 4}), made->device);
    EXPECT_TRUE(is_fused(made->hidden(batch.ids, batch.layout)));
    const Passes fused = passes(*made);
    made->use_fused = false;
    expect_same(fused, passes(*made), model.dtype);
  });
}

TEST_P(Family, TwoRunsAndRecomputingGiveTheSameBits) {
  kernels::seed_everything(7);
  for_all_models([](const Model& model) {
    auto made = make(model, setting().device);
    const Passes once = passes(*made);
    for (const int64_t layers : {0, 2}) {
      made->recompute_layers = layers;
      const Passes again = passes(*made);
      EXPECT_TRUE(at::equal(again.loss, once.loss));
      for (const auto& [name, gradient] : once.gradients)
        EXPECT_TRUE(at::equal(again.gradients.at(name), gradient)) << name;
    }
  });
}

}  // namespace
}  // namespace slmtune::gpu_tests
