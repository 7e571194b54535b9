// The probe is the same code on every device; here it runs on the CPU, where its figures are judged
// by being possible, not by being high.
#include "train/machine_probe.h"

#include <ATen/ATen.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gtest/gtest.h>

#include "tests/train/tiny_training.h"

namespace slmtune::train {
namespace {

using namespace testing;

// Bytes of tensors that were made and not given back while it was in force.
struct Held : c10::MemoryReportingInfoBase {
  void reportMemoryUsage(void*, int64_t bytes, size_t, size_t, c10::Device) override {
    total += bytes;
  }
  bool memoryProfilingEnabled() const override { return true; }
  int64_t total = 0;
};

void expect_possible(double per_second) {
  EXPECT_GT(per_second, 1e6);
  EXPECT_LT(per_second, 1e15);
}

TEST(MachineProbe, MeasuresEveryRateOfAModel) {
  const ModelSizes sizes = sizes_of(tiny_model()->config());
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16})
    for (const char* quant : {"nf4", "int8"}) {
      const MachineRates rates = probe_machine(
          sizes, {.dtype = dtype, .quant = quant, .tokens = 64, .rank = 3, .seconds = 0.02});
      for (const double rate : {rates.peak, rates.layers, rates.copy, rates.dequantise})
        expect_possible(rate);
    }
}

TEST(MachineProbe, LeavesOutWhatAModelDoesNotHave) {
  const ModelSizes sizes = sizes_of(tiny_model()->config());
  const MachineRates rates = probe_machine(sizes, {.seconds = 0.02, .layer_products = 0});
  EXPECT_EQ(rates.layers, rates.peak);
  EXPECT_EQ(rates.dequantise, 0);
  EXPECT_FALSE(rates.joins_low_rank);  // nothing is written out that an adapter could go with
}

TEST(MachineProbe, LeavesNothingBehind) {
  const ModelSizes sizes = sizes_of(tiny_model()->config());
  at::manual_seed(5);
  const at::Tensor expected = at::rand({4});
  at::manual_seed(5);
  const auto held = std::make_shared<Held>();
  {
    const c10::DebugInfoGuard counting(c10::DebugInfoKind::PROFILER_STATE, held);
    probe_machine(sizes, {.quant = "nf4", .tokens = 64, .rank = 3, .seconds = 0.02});
  }
  EXPECT_EQ(held->total, 0);
  EXPECT_TRUE(at::equal(at::rand({4}), expected));
}

}  // namespace
}  // namespace slmtune::train
