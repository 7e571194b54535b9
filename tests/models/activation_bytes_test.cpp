#include "models/activation_bytes.h"

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <gtest/gtest.h>

#include "lora/attach.h"
#include "models/families/family.h"
#include "tests/support/tiny_model.h"

namespace slmtune::models {
namespace {

using namespace slmtune::testing;

// Bytes of tensors that were made and not given back while it was in force.
struct Balance : c10::MemoryReportingInfoBase {
  void reportMemoryUsage(void*, int64_t bytes, size_t, size_t, c10::Device) override {
    total += bytes;
  }
  bool memoryProfilingEnabled() const override { return true; }
  int64_t total = 0;
};

constexpr int64_t kTokens = 24, kRank = 3;

// What the layers of a model keep: the difference between models of four and of two layers.
int64_t kept_bytes(const std::string& architecture, int64_t layers, at::ScalarType dtype,
                   int64_t recompute) {
  Json json = tiny_config(architecture);
  json["num_hidden_layers"] = layers;
  auto model = init_model(ModelConfig::from_json(json, "config.json"), 7, {.dtype = dtype});
  lora::attach(*model, {.rank = kRank}, 1);
  model->recompute_layers = recompute;
  const auto balance = std::make_shared<Balance>();
  at::Tensor hidden;
  {
    const c10::DebugInfoGuard counting(c10::DebugInfoKind::PROFILER_STATE, balance);
    hidden = model->hidden(some_ids(kTokens), packed_layout({9, 15}));
  }
  return balance->total;
}

TEST(ActivationBytes, AreWhatTheLayersKeep) {
  for (const Family& family : families()) {
    const std::string name(family.architecture);
    for (const bool recompute : {false, true})
      for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
        Json json = tiny_config(name);
        const ModelConfig config = ModelConfig::from_json(json, "config.json");
        auto model = init_model(config, 7, {});
        int64_t linears = 0;
        model->for_each_linear([&](const std::string&, Linear&) { ++linears; });
        const double expected =
            kept_bytes_per_token(config,
                                 {.element_bytes = static_cast<int64_t>(at::elementSize(dtype)),
                                  .ranks = kRank * linears / config.layers},
                                 recompute ? config.layers : 0) *
            kTokens;
        const int64_t layers = recompute ? 100 : 0;
        const auto found = static_cast<double>(kept_bytes(name, 4, dtype, layers) -
                                               kept_bytes(name, 2, dtype, layers));
        EXPECT_EQ(found, expected) << name << " " << dtype << " " << recompute;
      }
  }
}

TEST(ActivationBytes, FallWithEveryLayerThatRecomputes) {
  const ModelConfig config = ModelConfig::from_json(tiny_config("LlamaForCausalLM"), "config.json");
  const KeptForm form{.element_bytes = 2, .ranks = 14};
  const double none = kept_bytes_per_token(config, form, 0);
  const double one = kept_bytes_per_token(config, form, 1);
  const double all = kept_bytes_per_token(config, form, 2);
  EXPECT_EQ(none - one, one - all);
  EXPECT_EQ(kept_bytes_per_token(config, form, 5), all);
}

}  // namespace
}  // namespace slmtune::models
