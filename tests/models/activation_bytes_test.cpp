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

enum class Recompute { kNone, kHalves, kWhole };

// After a forward pass of a model of so many layers.
int64_t held_bytes(const std::string& architecture, int64_t layers, at::ScalarType dtype,
                   Recompute recompute) {
  Json json = tiny_config(architecture);
  json["num_hidden_layers"] = layers;
  auto model = init_model(ModelConfig::from_json(json, "config.json"), 7, {.dtype = dtype});
  lora::attach(*model, {.rank = kRank}, 1);
  if (recompute != Recompute::kNone) model->recompute_layers = 100;
  if (recompute == Recompute::kWhole) model->recompute_whole = 100;
  const auto balance = std::make_shared<Balance>();
  at::Tensor hidden;
  {
    const c10::DebugInfoGuard counting(c10::DebugInfoKind::PROFILER_STATE, balance);
    hidden = model->hidden(some_ids(kTokens), packed_layout({9, 15}));
  }
  return balance->total;
}

// What one layer keeps: half the difference between models of four and of two layers.
double kept_bytes(const std::string& architecture, at::ScalarType dtype, Recompute recompute) {
  const int64_t both = held_bytes(architecture, 4, dtype, recompute) -
                       held_bytes(architecture, 2, dtype, recompute);
  return static_cast<double>(both) / 2;
}

TEST(ActivationBytes, AreWhatTheLayersKeep) {
  for (const Family& family : families()) {
    const std::string name(family.architecture);
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      const ModelConfig config = ModelConfig::from_json(tiny_config(name), "config.json");
      auto model = init_model(config, 7, {});
      int64_t linears = 0;
      model->for_each_linear([&](const std::string&, Linear&) { ++linears; });
      const KeptBytes kept = kept_bytes_per_token(
          config, {.element_bytes = static_cast<int64_t>(at::elementSize(dtype)),
                   .ranks = kRank * linears / config.layers});
      const auto found = [&](Recompute recompute) { return kept_bytes(name, dtype, recompute); };
      EXPECT_EQ(found(Recompute::kNone), kept.all * kTokens) << name << " " << dtype;
      EXPECT_EQ(found(Recompute::kHalves), kept.halves * kTokens) << name << " " << dtype;
      EXPECT_EQ(found(Recompute::kWhole), kept.input * kTokens) << name << " " << dtype;
    }
  }
}

}  // namespace
}  // namespace slmtune::models
