// A card that is held to less memory than it has: SLMTUNE_GPU_MEMORY_GIB. Run as a test of its own
// (gpu_memory_test), because the limit is set when the GPU is opened.
#include "kernels/device_memory.h"

#include <c10/util/Exception.h>

#include "kernels/cuda/cuda_device.h"
#include "tests/gpu/comparison.h"
#include "tests/train/tiny_training.h"

namespace slmtune::gpu_tests {
namespace {

using train::testing::TinyRun;

class MemoryCap : public ::testing::Test {
 protected:
  void SetUp() override {
    if (setting().device.is_cpu()) GTEST_SKIP() << "the CPU's memory has no cap";
    if (!kernels::gpu_memory_cap()) GTEST_SKIP() << "SLMTUNE_GPU_MEMORY_GIB is not set";
    kernels::release_device_cache(setting().device);
  }
  uint64_t cap() const { return *kernels::gpu_memory_cap(); }
};

at::Tensor bytes_on_device(uint64_t count) {
  return at::empty({static_cast<int64_t>(count)},
                   at::TensorOptions(setting().device).dtype(at::kByte));
}

TEST_F(MemoryCap, TensorsBeyondItAreRefused) {
  EXPECT_EQ(kernels::device_memory(setting().device)->total, cap());
  EXPECT_THROW(bytes_on_device(cap()), c10::OutOfMemoryError);
  EXPECT_NO_THROW(bytes_on_device(cap() / 2));
}

// A model whose activations are most of its memory, and rows that fill one micro-batch a step.
std::unique_ptr<TinyRun> wide_run() {
  Json json = train::testing::tiny_model()->config().json;
  json["hidden_size"] = 512;
  json["intermediate_size"] = 4096;
  auto model = models::init_model(models::ModelConfig::from_json(json, "config.json"), 1,
                                  {.device = setting().device});
  lora::attach(*model, {.rank = 4}, 3);
  auto run = std::make_unique<TinyRun>(std::move(model), 0);
  data::Dataset rows = train::testing::tiny_rows(512);
  run->train = std::move(rows);
  run->job.config.batch_rows = 512;
  run->job.config.micro_batch_tokens = 8192;
  run->job.config.max_steps = 2;
  return run;
}

TEST_F(MemoryCap, AStepThatDoesNotFitIsDoneInHalves) {
  kernels::restart_device_peaks(setting().device);
  auto whole = wide_run();
  const uint64_t before = kernels::device_memory(setting().device)->allocated;
  const train::TrainResult expected = train::run_sft(whole->job);
  const uint64_t needed = kernels::allocator_peaks(setting().device)->allocated - before;
  ASSERT_TRUE(expected.state.halvings.empty());
  whole.reset();

  auto halved = wide_run();
  kernels::release_device_cache(setting().device);
  const kernels::DeviceMemory memory = *kernels::device_memory(setting().device);
  const uint64_t usable = cap() - kernels::kCudaContextBytes;
  // Leaves room for six tenths of the micro-batch.
  const at::Tensor ballast = bytes_on_device(usable - memory.reserved - needed * 6 / 10);
  const train::TrainResult found = train::run_sft(halved->job);
  EXPECT_EQ(found.ended, "done");
  ASSERT_FALSE(found.state.halvings.empty());
  EXPECT_LE(found.state.halvings.size(), train::kMaxHalvings);
  EXPECT_NEAR(found.last_loss / expected.last_loss, 1.0, 1e-5);
}

}  // namespace
}  // namespace slmtune::gpu_tests
